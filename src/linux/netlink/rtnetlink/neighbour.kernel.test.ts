import { describe, expect } from "bun:test";
import { alike, forwardingAsBridge, linkNames, neighbourAsIp } from "../../../../test/support/ip-json.ts";
import { type TestNetns, testNamespaces } from "../../../../test/support/namespaces.ts";
import { needs, program, root } from "../../../../test/support/needs.ts";
import { expectNothingLeft } from "../../../../test/support/snapshot.ts";
import { AF_BRIDGE, AF_INET, AF_INET6 } from "../../libc.ts";
import { NetlinkError } from "../error.ts";
import { findLink, listLinks } from "./link/link.ts";
import { deleteForwarding, deleteNeighbour, listNeighbours, setForwarding, setNeighbour } from "./neighbour.ts";

const namespaces = testNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("bridge"), program("nsenter"));

/** A namespace with a veth that is up, a bridge with its other end, and a VXLAN link. */
function withLinks(): TestNetns & { readonly veth: number; readonly vxlan: number } {
  const namespace = namespaces.fresh();
  namespace.sh(`ip link add a0 type veth peer name b0
    ip link add br0 type bridge
    ip link set b0 master br0; ip link set b0 up; ip link set a0 up; ip link set br0 up
    ip link add vxlan0 type vxlan id 7 dstport 4789 local 127.0.0.1`);
  const index = (name: string) => findLink(namespace.socket, name)?.index ?? 0;
  return { ...namespace, veth: index("a0"), vxlan: index("vxlan0") };
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof NetlinkError) return error.code;
    throw error;
  }
  return "none";
}

/** Whether each of ours is among theirs, and none of theirs is left. */
function expectSame(ours: readonly Record<string, unknown>[], theirs: readonly object[]): void {
  const left = [...theirs];
  for (const entry of ours) {
    const at = left.findIndex((other) => Bun.deepEquals(alike(other, entry), entry));
    if (at < 0) expect(left.map((other) => alike(other, entry))).toContainEqual(entry);
    left.splice(at, 1);
  }
  expect(left).toEqual([]);
}

describe("neighbours", () => {
  kernelTest("are set and set anew, listed as ip(8) prints them, and deleted", () => {
    const { socket, veth, json } = withLinks();
    socket.execute(setNeighbour({ index: veth, ip: "10.1.0.9", mac: "02:00:00:00:00:01" }));
    socket.execute(setNeighbour({ index: veth, ip: "10.1.0.9", mac: "02:00:00:00:00:02" }));
    socket.execute(setNeighbour({ index: veth, ip: "fd00::9", mac: "02:00:00:00:00:03" }));
    expect(json("ip -j neighbour show nud permanent")).toEqual([
      { dst: "10.1.0.9", dev: "a0", lladdr: "02:00:00:00:00:02", state: ["PERMANENT"] },
      { dst: "fd00::9", dev: "a0", lladdr: "02:00:00:00:00:03", state: ["PERMANENT"] },
    ]);
    const names = linkNames(listLinks(socket));
    const permanent = (family: number) => listNeighbours(socket, family).filter(({ state }) => state === 0x80);
    for (const [family, flag] of [
      [AF_INET, "-4"],
      [AF_INET6, "-6"],
    ] as const) {
      expectSame(
        permanent(family).map((entry) => neighbourAsIp(entry, names)),
        json(`ip -j ${flag} neighbour show nud permanent`),
      );
    }
    for (const ip of ["10.1.0.9", "fd00::9"]) {
      socket.execute(deleteNeighbour({ index: veth, ip }));
      expect(codeOf(() => socket.execute(deleteNeighbour({ index: veth, ip })))).toBe("ENOENT");
    }
    expect(json("ip -j neighbour show nud permanent")).toEqual([]);
  });

  kernelTest("that the kernel made decode to what ip(8) prints", () => {
    const { socket, sh, json } = withLinks();
    sh(`ip neigh add 10.1.0.1 lladdr 02:00:00:00:00:01 dev a0 nud noarp
      ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:02 dev a0 nud permanent
      ip neigh add 10.1.0.3 dev a0 nud failed
      ip neigh add fd00::1 lladdr 02:00:00:00:00:03 dev br0 nud permanent`);
    const names = linkNames(listLinks(socket));
    const steady = ["noarp", "permanent"].map((state) => `nud ${state}`).join(" ");
    const ours = [AF_INET, AF_INET6].flatMap((family) => listNeighbours(socket, family));
    const fixed = ours.filter(({ state, destination }) => (state & 0xc0) !== 0 && !/^(ff|224)/.test(destination ?? ""));
    const theirs = json<{ dst: string }>(`ip -j neighbour show ${steady}`).filter(({ dst }) => !/^(ff|224)/.test(dst));
    expect(fixed.length).toBeGreaterThanOrEqual(3);
    expectSame(
      fixed.map((entry) => neighbourAsIp(entry, names)),
      theirs,
    );
  });
});

describe("forwarding entries", () => {
  kernelTest("of a tunnel are set and set anew, listed as bridge(8) prints them, and deleted", () => {
    const { socket, vxlan, json } = withLinks();
    const mac = "02:00:00:00:00:0c";
    socket.execute(setForwarding({ index: vxlan, mac, destination: "10.1.0.7" }));
    socket.execute(setForwarding({ index: vxlan, mac, destination: "10.1.0.8" }));
    const printed = () => json<{ ifname: string }>("bridge -j fdb show").filter(({ ifname }) => ifname === "vxlan0");
    expect(printed()).toMatchObject([{ mac, dst: "10.1.0.8", flags: ["self"], state: "permanent" }]);
    socket.execute(deleteForwarding({ index: vxlan, mac, destination: "10.1.0.8" }));
    expect(printed()).toEqual([]);
    expect(codeOf(() => socket.execute(deleteForwarding({ index: vxlan, mac, destination: "10.1.0.8" })))).toBe(
      "ENOENT",
    );
  });

  kernelTest("of all kinds decode to what bridge(8) prints", () => {
    const { socket, vxlan, sh, json } = withLinks();
    sh("bridge fdb add 02:00:00:00:00:0d dev b0 master static");
    sh(`bridge fdb append 00:00:00:00:00:00 dev vxlan0 dst 10.1.0.7
      bridge fdb append 00:00:00:00:00:00 dev vxlan0 dst 10.1.0.8`);
    socket.execute(setForwarding({ index: vxlan, mac: "02:00:00:00:00:0e", destination: "10.1.0.7" }));
    // The entries by which a tunnel floods are appended, not set.
    const flood = { index: vxlan, mac: "00:00:00:00:00:00", destination: "10.1.0.9" };
    expect(codeOf(() => socket.execute(setForwarding(flood)))).toBe("EOPNOTSUPP");
    const names = linkNames(listLinks(socket));
    // A bridge learns, and forgets, at any moment what its ports send by themselves; such entries have no state.
    const isSet = (entry: Record<string, unknown>) => entry.state !== "";
    const ours = listNeighbours(socket, AF_BRIDGE)
      .map((entry) => forwardingAsBridge(entry, names))
      .filter(isSet);
    expect(ours.length).toBeGreaterThan(3);
    expectSame(ours, json<Record<string, unknown>>("bridge -j fdb show").filter(isSet));
  });
});
