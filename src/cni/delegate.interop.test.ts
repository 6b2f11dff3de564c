/** Delegation to the reference's IPAM plugins, and our results beside theirs. */

import { describe, expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { type Need, needs } from "../../test/support/needs.ts";
import { DelegateError } from "../core/errors.ts";
import type { Call } from "../core/plugin.ts";
import type { Result } from "../core/result.ts";
import { parseConfiguration } from "./configuration.ts";
import { delegate } from "./delegate.ts";
import { readAnswer, readResult, runExecutable } from "./executable.ts";
import { formatResult } from "./results/result.ts";
import { testFolders } from "./testing/folders.ts";
import { environment } from "./testing/in-process.ts";
import { checkVersion, formatVersions, versions } from "./versions.ts";

const peers = process.env.TENDRIL_PEER_PLUGINS ?? "";
const peer =
  (name: string): Need =>
  () =>
    existsSync(`${peers}/${name}`) ? undefined : `TENDRIL_PEER_PLUGINS names no folder with the Go plugin "${name}"`;

const freshFolder = testFolders();

function call(raw: Record<string, unknown>, more: Partial<Call> = {}): Call {
  const warn = (sentence: string): void => {
    throw new Error(`Unexpected warning: ${sentence}`);
  };
  return {
    config: parseConfiguration(raw, checkVersion(String(raw.cniVersion)), "ADD", warn),
    stdin: JSON.stringify(raw),
    path: [peers],
    warn,
    containerId: "c1",
    ifname: "eth0",
    netns: "/run/netns/there-is-none",
    cniArgs: "",
    args: new Map(),
    ...more,
  };
}

const addresses = {
  type: "static",
  addresses: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }, { address: "fd00::5/64" }],
  routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.1", mtu: 1400, table: 5 }, { dst: "fd01::/16" }],
  dns: { nameservers: ["10.1.0.1"], search: ["a.example"] },
};

const newest: Result = {
  ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }, { address: "fd00::5/64" }],
  routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.1", mtu: 1400, table: 5 }, { dst: "fd01::/16" }],
  dns: { nameservers: ["10.1.0.1"], search: ["a.example"] },
};

describe("the Go plugin static", () => {
  const test = needs(peer("static"));

  test("answers VERSION as we do", () => {
    const outcome = runExecutable(`${peers}/static`, { CNI_COMMAND: "VERSION" }, "");
    expect(readAnswer("static", "VERSION", outcome)).toBe(formatVersions());
  });

  for (const cniVersion of versions) {
    test(`gives its addresses in ${cniVersion}, and prints them byte for byte as we do`, () => {
      const made = call({ cniVersion, name: "net", type: "bridge", ipam: addresses });
      const given = delegate("static").add(made);
      const outcome = runExecutable(`${peers}/static`, environment("ADD"), made.stdin);
      expect(readResult("static", outcome, cniVersion)).toEqual(given);
      expect(formatResult(newest, cniVersion)).toBe(outcome.stdout);
      if (cniVersion.startsWith("1.")) expect(given).toEqual(newest);
    });
  }

  test("passes its error on", () => {
    const made = call({ cniVersion: "1.1.0", name: "net", type: "bridge", ipam: { type: "static", addresses: [{}] } });
    expect(() => delegate("static").add({ ...made, warn: () => {} })).toThrow(DelegateError);
  });
});

describe("the Go plugin host-local", () => {
  const test = needs(peer("host-local"));

  test("lives through ADD, CHECK, STATUS, GC and DEL behind our interface", () => {
    const dataDir = freshFolder().path;
    const ipam = { type: "host-local", ranges: [[{ subnet: "10.9.0.0/30" }]], dataDir };
    const raw = { cniVersion: "1.1.0", name: "net", type: "bridge", ipam };
    const leases = () => readdirSync(`${dataDir}/net`).filter((name) => name.startsWith("10."));
    const plugin = delegate("host-local");
    const result = plugin.add(call(raw));
    expect(result).toEqual({ ips: [{ address: "10.9.0.2/30", gateway: "10.9.0.1" }] });
    plugin.check(call({ ...raw, prevResult: JSON.parse(formatResult(result, "1.1.0")) }));
    plugin.status(call(raw));
    expect(leases()).toEqual(["10.9.0.2"]);
    // The range is used up; what the failed ADD might have taken is given back by the DEL that follows it.
    expect(() => plugin.add(call(raw, { containerId: "c2" }))).toThrow(/no IP addresses available/);
    expect(leases()).toEqual(["10.9.0.2"]);
    plugin.gc(call(raw));
    plugin.del(call(raw, { netns: undefined }));
    plugin.del(call(raw, { netns: undefined }));
    expect(leases()).toEqual([]);
  });
});
