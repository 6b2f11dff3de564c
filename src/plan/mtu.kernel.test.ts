/** The MTU of attachments that are there, changed while they live. */

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestNetns, testNamespaces } from "../../test/support/namespaces.ts";
import { expectNothingLeft } from "../../test/support/snapshot.ts";
import { VerificationError } from "../core/errors.ts";
import type { Call, Plugin } from "../core/plugin.ts";
import { inNetns } from "../linux/netns.ts";
import { bridge } from "../plugins/interface/bridge.ts";
import { kernelKinds } from "../resources/kinds.ts";
import { attachments } from "./attachment.ts";
import { setNetworkMtu } from "./mtu.ts";
import { listRecords } from "./record.ts";

const namespaces = testNamespaces();
const folder = mkdtempSync(join(tmpdir(), "tendril-mtu-"));
afterAll(() => rmSync(folder, { recursive: true }));
expectNothingLeft();

let count = 0;

/** A host with a bridge plugin, which attaches containers to a network. */
function stage() {
  const host = namespaces.fresh();
  const runFolder = join(folder, String(++count));
  const noIpam = (): Plugin => {
    throw new Error("no IPAM here");
  };
  const plugin = attachments(bridge, { runFolder, bootId: "boot", kinds: kernelKinds, resolveIpam: noIpam });
  const warnings: string[] = [];
  const callFor = (container: TestNetns, network = "net"): Call => ({
    containerId: container.name,
    ifname: "eth0",
    netns: container.netns.path,
    args: new Map(),
    cniArgs: "",
    path: [],
    stdin: "{}",
    warn: (sentence) => warnings.push(sentence),
    config: { cniVersion: "1.1.0", name: network, type: "bridge", bridge: "br0", mtu: 1450 },
  });
  const within = <T>(work: () => T): T => inNetns(host.netns, work);
  const attach = (container: TestNetns, network?: string) => {
    const call = callFor(container, network);
    const prevResult = within(() => plugin.add(call));
    return { ...call, config: { ...call.config, prevResult } };
  };
  const setMtu = (mtu: number) => within(() => setNetworkMtu(runFolder, "net", mtu, (line) => warnings.push(line)));
  return { host, plugin, within, attach, setMtu, runFolder, warnings };
}

function mtusOf({ json }: TestNetns, kind: string): number[] {
  return json<{ mtu: number }>(`ip -j link show type ${kind}`).map(({ mtu }) => mtu);
}

test("both ends have the new one, CHECK agrees, and another network's are left alone", () => {
  const { host, plugin, within, attach, setMtu, warnings } = stage();
  const [first, second, other] = [namespaces.fresh(), namespaces.fresh(), namespaces.fresh()];
  const calls = [attach(first), attach(second), attach(other, "others")];
  for (const mtu of [1300, 1400]) {
    expect(setMtu(mtu)).toEqual([]);
    expect([...mtusOf(first, "veth"), ...mtusOf(second, "veth"), ...mtusOf(other, "veth")]).toEqual([mtu, mtu, 1450]);
    expect(mtusOf(host, "veth").toSorted()).toEqual([mtu, mtu, 1450]);
    for (const call of calls) within(() => plugin.check(call));
  }
  // CHECK goes by the new one.
  host.sh("for link in $(ip -br link show type veth | cut -d@ -f1); do ip link set $link mtu 1450; done");
  expect(() => within(() => plugin.check(calls[0] as Call))).toThrow(VerificationError);
  for (const call of calls) within(() => plugin.del(call));
  expect(warnings).toEqual([]);
});

test("what has gone is passed over, and what the kernel refuses is told, with the rest changed", () => {
  const { host, plugin, within, attach, setMtu, runFolder } = stage();
  const [alive, gone, replaced] = [namespaces.fresh(), namespaces.fresh(), namespaces.fresh()];
  const calls = [attach(alive), attach(gone), attach(replaced)];
  gone.sh("ip link del eth0");
  replaced.sh("ip link del eth0; ip link add eth0 type bridge; ip link set eth0 mtu 1234");
  expect(setMtu(1300)).toEqual([]);
  expect([...mtusOf(alive, "veth"), ...mtusOf(host, "veth")]).toEqual([1300, 1300]);
  expect(mtusOf(replaced, "bridge")).toEqual([1234]);
  const errors = setMtu(10);
  expect(errors.map(String)).toContainEqual(expect.stringContaining("EINVAL"));
  expect([...mtusOf(alive, "veth"), ...mtusOf(host, "veth")]).toEqual([1300, 1300]);
  const mtus = listRecords(runFolder, () => {}, "net").flatMap(({ resources }) =>
    resources.flatMap((resource) => (resource.kind === "link" && resource.type === "veth" ? [resource.mtu] : [])),
  );
  expect(mtus).toContain(1300);
  expect(mtus).not.toContain(1450);
  for (const call of calls) within(() => plugin.del(call));
});
