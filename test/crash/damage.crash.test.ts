/** Files of state that are damaged: calls go on, say so, and take nothing from others. */

import { beforeAll, describe, expect } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostLocal, V4 } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  type Config,
  call,
  expectBuilt,
  type PluginCall,
  succeed,
  testHosts,
  withResult,
  withValid,
} from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root);

function stage() {
  const host = hosts.fresh();
  const container = hosts.container("c1");
  const config: Config = {
    cniVersion: "1.1.0",
    name: "net",
    type: "bridge",
    bridge: "br0",
    isDefaultGateway: true,
    ipMasq: true,
    ipam: hostLocal(host, V4),
  };
  const request = (verb: PluginCall["verb"], result?: unknown): PluginCall => ({
    verb,
    container,
    config: result === undefined ? config : withResult(config, result),
  });
  const collect: PluginCall = { verb: "GC", config: withValid(config, []) };
  const network = async () =>
    (await stateOf(host, [container.namespace])).filter((line) => !/\/(run|leases)\//.test(line));
  return { host, container, request, collect, network };
}

/** The files below a folder of state. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".json"))
    .map((name) => join(folder, name));
}

describe.concurrent("a damaged", () => {
  for (const [what, damage] of [
    ["truncated", (path: string) => truncateSync(path, 40)],
    ["empty", (path: string) => truncateSync(path, 0)],
    ["foreign", (path: string) => writeFileSync(path, '{"version":99}')],
  ] as const) {
    test(`record (${what}) is set aside with a warning, and DEL leaves nothing`, async () => {
      const { host, request, collect, network } = stage();
      const before = await network();
      const result = await succeed(host, request("ADD"));
      for (const path of filesIn(join(host.runFolder, "attachments"))) damage(path);
      const { status, stdout, stderr } = await call(host, request("DEL", result));
      expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
      expect(stderr).toContain("set aside");
      await succeed(host, collect);
      expectSameState("DEL, GC", await network(), before);
    });

    test(`record (${what}) of another container does not keep GC from its work`, async () => {
      const { host, request, collect, network } = stage();
      const before = await network();
      const other = hosts.container("c2");
      const living = await succeed(host, { ...request("ADD"), container: other });
      for (const path of filesIn(join(host.runFolder, "attachments"))) damage(path);
      await succeed(host, request("ADD"));
      await succeed(host, { ...request("DEL", living), container: other });
      await succeed(host, collect);
      expectSameState("DEL, GC", await network(), before);
    });

    test(`note about shared things (${what}) does not keep DEL and GC from their work`, async () => {
      const { host, request, collect, container } = stage();
      const result = await succeed(host, request("ADD"));
      for (const path of filesIn(join(host.runFolder, "shared"))) damage(path);
      await succeed(host, request("CHECK", result));
      await succeed(host, request("DEL", result));
      await succeed(host, collect);
      const { ifname } = container;
      expect(container.namespace.json<{ ifname: string }>("ip -j link").map((link) => link.ifname)).not.toContain(
        ifname,
      );
      expect(filesIn(join(host.runFolder, "attachments"))).toEqual([]);
    });
  }

  test("lease, cut off after some bytes, stays its owner's: ADD gives another address", async () => {
    const { host, request, collect, network } = stage();
    const before = await network();
    const path = join(host.dataDir, "net", "10.77.0.2");
    mkdirSync(join(host.dataDir, "net"), { recursive: true });
    writeFileSync(path, "oth");
    const { ips } = await succeed(host, request("ADD"));
    expect(ips?.map(({ address }) => address)).toEqual(["10.77.0.3/24"]);
    expect(readFileSync(path, "utf8")).toBe("oth");
    await succeed(host, request("DEL"));
    expect(readFileSync(path, "utf8")).toBe("oth");
    await succeed(host, collect);
    expectSameState("DEL, GC", await network(), before);
  });

  test("lease that is empty is nobody's: ADD takes the address and says so", async () => {
    const { host, request } = stage();
    mkdirSync(join(host.dataDir, "net"), { recursive: true });
    writeFileSync(join(host.dataDir, "net", "10.77.0.2"), "");
    const { status, stderr } = await call(host, request("ADD"));
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining("10.77.0.2") });
    expect(readFileSync(join(host.dataDir, "net", "10.77.0.2"), "utf8")).toBe("c1\r\neth0");
    await succeed(host, request("DEL"));
  });
});
