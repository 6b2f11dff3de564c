/** The life of an attachment in one process, with an IPAM plugin that does as the test says. */

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testNamespaces } from "../../test/support/namespaces.ts";
import { expectNothingLeft } from "../../test/support/snapshot.ts";
import { AddressError, ConflictError, VerificationError } from "../core/errors.ts";
import type { Call, Plugin } from "../core/plugin.ts";
import type { Result } from "../core/result.ts";
import { inNetns } from "../linux/netns.ts";
import { bridge } from "../plugins/interface/bridge.ts";
import { kernelKinds } from "../resources/kinds.ts";
import { attachments } from "./attachment.ts";
import { listRecords } from "./record.ts";

const namespaces = testNamespaces();
const folder = mkdtempSync(join(tmpdir(), "tendril-attachment-"));
afterAll(() => rmSync(folder, { recursive: true }));
expectNothingLeft();

const LEASE: Result = { ips: [{ address: "10.5.0.2/24", gateway: "10.5.0.1" }], routes: [{ dst: "0.0.0.0/0" }] };

let count = 0;

/** A host with a container, the bridge plugin on it, and what its IPAM plugin was asked. */
function stage(ipam: Partial<Plugin> = {}) {
  const host = namespaces.fresh();
  const container = namespaces.fresh();
  const runFolder = join(folder, String(++count));
  const asked: string[] = [];
  const warnings: string[] = [];
  const verb = (name: string) => () => {
    asked.push(name);
  };
  const add = () => {
    asked.push("add");
    return LEASE;
  };
  const fake: Plugin = {
    type: "fake",
    add,
    check: verb("check"),
    del: verb("del"),
    gc: verb("gc"),
    status: verb("status"),
    ...ipam,
  };
  const plugin = attachments(bridge, { runFolder, bootId: "boot", kinds: kernelKinds, resolveIpam: () => fake });
  const call: Call = {
    containerId: "c1",
    ifname: "eth0",
    netns: container.netns.path,
    args: new Map(),
    cniArgs: "",
    path: [],
    stdin: "{}",
    warn: (sentence) => warnings.push(sentence),
    config: {
      cniVersion: "1.1.0",
      name: "net",
      type: "bridge",
      bridge: "br0",
      ipam: { type: "fake" },
      isGateway: true,
    },
  };
  const within = <T>(work: () => T): T => inNetns(host.netns, work);
  const records = () => listRecords(runFolder, call.warn);
  return { host, container, plugin, call, within, records, asked, warnings };
}

test("ADD, CHECK, DEL, and DEL again ask the IPAM plugin each", () => {
  const { plugin, call, within, records, asked } = stage();
  const result = within(() => plugin.add(call));
  expect(result.ips).toEqual([{ address: "10.5.0.2/24", gateway: "10.5.0.1", interface: 2 }]);
  within(() => plugin.check({ ...call, config: { ...call.config, prevResult: result } }));
  within(() => plugin.del(call));
  expect(records()).toEqual([]);
  within(() => plugin.del(call));
  expect(asked).toEqual(["add", "check", "del", "del"]);
});

test("what a later plugin of the chain has changed is right for CHECK, what the container has changed is not", () => {
  const { container, plugin, call, within } = stage();
  const result = within(() => plugin.add(call));
  container.sh("ip link set eth0 address 02:00:00:00:00:77");
  const checked = (given: Result) => () =>
    within(() => plugin.check({ ...call, config: { ...call.config, prevResult: given } }));
  expect(checked(result)).toThrow(VerificationError);
  const interfaces = result.interfaces?.map((one) => (one.sandbox ? { ...one, mac: "02:00:00:00:00:77" } : one));
  expect(checked({ ...result, interfaces })).not.toThrow();
  within(() => plugin.del(call));
});

test("a second ADD is refused and changes nothing", () => {
  const { plugin, call, within, records, asked } = stage();
  within(() => plugin.add(call));
  const before = records();
  expect(() => within(() => plugin.add(call))).toThrow(ConflictError);
  expect(records()).toEqual(before);
  expect(asked).toEqual(["add"]);
  within(() => plugin.del(call));
});

test("an IPAM plugin that gives no address fails the ADD, and is asked to release", () => {
  const { host, plugin, call, within, records, asked } = stage({
    add: () => {
      asked.push("add");
      return { ips: [] };
    },
  });
  expect(() => within(() => plugin.add(call))).toThrow(AddressError);
  expect(asked).toEqual(["add", "del"]);
  expect(records()).toEqual([]);
  expect(host.sh("ip -br link")).not.toContain("br0");
});

test("what could not be taken back after a failure stays on record, and DEL takes it back", () => {
  let broken = true;
  const { container, plugin, call, within, records, warnings } = stage({
    del: () => {
      if (broken) throw new Error("the lease folder is read-only");
    },
  });
  container.sh("ip link add eth0 type bridge");
  expect(() => within(() => plugin.add(call))).toThrow(ConflictError);
  expect(warnings.join()).toContain("the lease folder is read-only");
  expect(records().map(({ state }) => state)).toEqual(["pending"]);
  expect(() => within(() => plugin.del(call))).toThrow("the lease folder is read-only");
  expect(records()).toHaveLength(1);
  broken = false;
  within(() => plugin.del(call));
  expect(records()).toEqual([]);
});

test("GC keeps what is alive, removes what is not, and with the last one the bridge", () => {
  const { host, plugin, call, within, records } = stage();
  const other = namespaces.fresh();
  const second = { ...call, containerId: "c2", netns: other.netns.path };
  within(() => plugin.add(call));
  within(() => plugin.add(second));
  const gc = (...alive: string[]) => {
    const validAttachments = alive.map((containerId) => ({ containerId, ifname: "eth0" }));
    within(() => plugin.gc({ ...call, config: { ...call.config, validAttachments } }));
  };
  within(() => plugin.gc(call));
  expect(records()).toHaveLength(2);
  gc("c2");
  expect(records().map(({ key }) => key.containerId)).toEqual(["c2"]);
  expect(host.sh("ip -br link")).toContain("br0");
  within(() => plugin.check(second));
  gc();
  expect(records()).toEqual([]);
  expect(host.sh("ip -br link")).not.toContain("br0");
});
