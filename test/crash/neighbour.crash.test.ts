/** Kills and failures of one container's calls beside a living container of the same network, which notices nothing. */

import { beforeAll, describe, expect } from "bun:test";
import { type AttachmentCase, attachmentCases, isOfInterface } from "../support/attachment-cases.ts";
import { expectSameState, killAtEachStep } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  type Config,
  type Container,
  expectBuilt,
  fail,
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

/** The static plugin's addresses are those of the configuration, so each container needs one of its own. */
function configFor(config: Config, container: Container): Config {
  const ipam = config.ipam as { type: string } | undefined;
  if (ipam?.type !== "static" || container.id === "c1") return config;
  return { ...config, ipam: { ...ipam, addresses: [{ address: "10.77.0.20/24" }, { address: "fd77::20/64" }] } };
}

/** Two containers on a host of their own; the second is attached. */
async function stage({ config, given, path }: AttachmentCase) {
  const host = hosts.fresh();
  given?.(host);
  const [first, second] = [hosts.container("c1"), hosts.container("c2")];
  const network = config(host);
  const request = (verb: PluginCall["verb"], container: Container, result?: unknown): PluginCall => {
    const own = configFor(network, container);
    return { verb, container, path: path?.(host), config: result === undefined ? own : withResult(own, result) };
  };
  const collect = (...valid: Container[]): PluginCall => ({
    verb: "GC",
    path: path?.(host),
    config: withValid(network, valid),
  });
  // What becomes of the first's own namespace is another test's concern.
  const state = () => stateOf(host, [second.namespace]);
  const empty = await state();
  const living = await succeed(host, request("ADD", second));
  return { host, first, second, request, collect, state, empty, living };
}

for (const each of attachmentCases.filter(isOfInterface)) {
  const test = needs(root, ...(each.need === undefined ? [] : [each.need]));

  describe.concurrent(each.name, () => {
    test("an ADD killed after any step, and its DEL, leave another container as it was", async () => {
      const { host, first, second, request, collect, state, empty, living } = await stage(each);
      const before = await state();
      const after = async (step: number) => {
        await succeed(host, request("CHECK", second, living));
        await succeed(host, request("DEL", first));
        expectSameState(`ADD of the first killed after step ${step}, DEL`, await state(), before);
      };
      const result = await killAtEachStep({ host, call: () => request("ADD", first), after });
      await succeed(host, request("DEL", first, result));
      expectSameState("ADD of the first, DEL", await state(), before);
      await succeed(host, request("CHECK", second, living));
      await succeed(host, request("DEL", second, living));
      await succeed(host, collect());
      expectSameState("DEL of both, GC", await state(), empty);
    });

    test("an ADD killed after any step, and GC, leave another container as it was", async () => {
      const { host, first, second, request, collect, state, living } = await stage(each);
      const before = await state();
      const after = async (step: number) => {
        await succeed(host, collect(second));
        expectSameState(`ADD of the first killed after step ${step}, GC`, await state(), before);
      };
      await killAtEachStep({ host, call: () => request("ADD", first), after });
      await succeed(host, request("CHECK", second, living));
    });

    test("a DEL killed after any step leaves another container as it was", async () => {
      const { host, first, second, request, state, living } = await stage(each);
      const before = await state();
      let result: unknown;
      const makeAndDelete = async () => {
        result = await succeed(host, request("ADD", first));
        return request("DEL", first, result);
      };
      const after = async (step: number) => {
        await succeed(host, request("CHECK", second, living));
        await succeed(host, request("DEL", first, result));
        expectSameState(`DEL of the first killed after step ${step}, DEL`, await state(), before);
      };
      await killAtEachStep({ host, call: makeAndDelete, after });
      await succeed(host, request("CHECK", second, living));
    });

    test("an ADD that fails leaves another container as it was", async () => {
      const { host, first, second, request, state, living } = await stage(each);
      first.namespace.sh("ip link add eth0 type veth peer name other");
      const before = await state();
      const { msg } = await fail(host, request("ADD", first));
      expect(msg).toContain('"eth0"');
      expectSameState("a failed ADD", await state(), before);
      await succeed(host, request("CHECK", second, living));
    });
  });
}
