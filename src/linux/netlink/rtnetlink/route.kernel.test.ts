import { describe, expect } from "bun:test";
import { alike, linkNames, routeAsIp } from "../../../../test/support/ip-json.ts";
import { type TestNetns, testNamespaces } from "../../../../test/support/namespaces.ts";
import { needs, program, root } from "../../../../test/support/needs.ts";
import { expectNothingLeft } from "../../../../test/support/snapshot.ts";
import { NetlinkError } from "../error.ts";
import { findLink, listLinks } from "./link/link.ts";
import {
  addRoute,
  deleteRoute,
  listRoutes,
  lookUpRoute,
  prependRoute,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_LOCAL,
  RTN_UNICAST,
  RTPROT_STATIC,
  replaceRoute,
  routeDestination,
} from "./route.ts";

const namespaces = testNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("nsenter"));

/** A namespace with a veth that is up and has 10.1.0.1/24 and fd00::1/64, and the veth's index. */
function withLink(): TestNetns & { readonly index: number } {
  const namespace = namespaces.fresh();
  namespace.sh(`ip link add a0 type veth peer name b0
    ip link set b0 up; ip link set a0 up
    ip addr add 10.1.0.1/24 dev a0; ip addr add fd00::1/64 dev a0 nodad`);
  return { ...namespace, index: findLink(namespace.socket, "a0")?.index ?? 0 };
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

/** Compares the routes of some tables, in all fields that we know, with what ip(8) prints. */
function expectAsPrinted({ socket, json }: TestNetns, tables: readonly number[]): void {
  const names = linkNames(listLinks(socket));
  const ours = tables.flatMap((table) => listRoutes(socket, table)).map((route) => routeAsIp(route, names));
  const all = [...json<object>("ip -j -4 route show table all"), ...json<object>("ip -j -6 route show table all")];
  const tableOf = (route: object) => ("table" in route ? String(route.table) : "main");
  const wanted = tables.map(
    (table) => ({ [RT_TABLE_MAIN]: "main", [RT_TABLE_LOCAL]: "local" })[table] ?? String(table),
  );
  const theirs = all.filter((route) => wanted.includes(tableOf(route)));
  expect(ours.length).toBe(theirs.length);
  // ip(8) has another order of tables.
  const left = [...theirs];
  for (const route of ours) {
    const at = left.findIndex((other) => Bun.deepEquals(alike(other, route), route));
    if (at < 0) expect(left.map((other) => alike(other, route))).toContainEqual(route);
    left.splice(at, 1);
  }
}

describe("routes", () => {
  kernelTest("of all our ways are added, listed as ip(8) prints them, and deleted", () => {
    const namespace = withLink();
    const { socket, index, json } = namespace;
    const specs = [
      { destination: "10.2.0.0/16", gateway: "10.1.0.9" },
      { destination: "10.3.0.0/16", outputIndex: index },
      { destination: "10.4.0.0/16", gateway: "192.0.2.1", outputIndex: index, onlink: true },
      { destination: "10.5.0.0/16", gateway: "10.1.0.9", mtu: 1300, advmss: 1260, priority: 44 },
      { destination: "10.6.0.0/16", gateway: "10.1.0.9", table: 1000, protocol: RTPROT_STATIC },
      { destination: "10.7.0.7/32", gateway: "10.1.0.9", table: 100, preferredSource: "10.1.0.1" },
      { destination: "0.0.0.0/0", gateway: "10.1.0.254" },
      { destination: "fd02::/64", gateway: "fd00::9", mtu: 1280 },
      { destination: "fd03::/64", outputIndex: index, priority: 5 },
      { destination: "fd04::/64", gateway: "fe80::1", outputIndex: index, table: 1000 },
      { destination: "::/0", gateway: "fd00::fe" },
      // An IPv6 route that looks like an IPv4 one.
      { destination: "::ffff:10.0.0.0/104", gateway: "fd00::9" },
    ];
    for (const spec of specs) socket.execute(addRoute(spec));
    expect(json("ip -j route show 10.2.0.0/16")).toMatchObject([{ gateway: "10.1.0.9", dev: "a0" }]);
    expect(json("ip -j route show 10.3.0.0/16")).toMatchObject([{ dev: "a0", scope: "link" }]);
    expect(json("ip -j route show 10.4.0.0/16")).toMatchObject([{ gateway: "192.0.2.1", flags: ["onlink"] }]);
    expect(json("ip -j route show 10.5.0.0/16")).toMatchObject([
      { metric: 44, metrics: [{ mtu: 1300, advmss: 1260 }] },
    ]);
    expect(json("ip -j route show table 1000")).toMatchObject([{ dst: "10.6.0.0/16", protocol: "static" }]);
    expect(json("ip -j route show table 100")).toMatchObject([{ dst: "10.7.0.7", prefsrc: "10.1.0.1" }]);
    expect(json("ip -j route show default")).toMatchObject([{ gateway: "10.1.0.254" }]);
    expect(json("ip -j -6 route show fd02::/64")).toMatchObject([{ gateway: "fd00::9", metrics: [{ mtu: 1280 }] }]);
    expect(json("ip -j -6 route show default")).toMatchObject([{ gateway: "fd00::fe" }]);
    expectAsPrinted(namespace, [RT_TABLE_MAIN, RT_TABLE_LOCAL, 100, 1000]);

    const found = [RT_TABLE_MAIN, 100, 1000].flatMap((table) => listRoutes(socket, table)).map(routeDestination);
    for (const { destination } of specs) expect(found).toContain(destination);
    for (const spec of specs) socket.execute(deleteRoute(spec));
    for (const spec of specs) expect(codeOf(() => socket.execute(deleteRoute(spec)))).toBe("ESRCH");
    expect(json<{ dst: string }>("ip -j route show").map(({ dst }) => dst)).toEqual(["10.1.0.0/24"]);
  });

  kernelTest("that IPv6 joins to one of several ways are listed and deleted one by one", () => {
    const { socket, index, json } = withLink();
    const ways = ["fd00::8", "fd00::9"].map((gateway) => ({ destination: "::/0", gateway, outputIndex: index }));
    for (const way of ways) socket.execute(prependRoute(way));
    expect(json<object>("ip -j -6 route show default")).toHaveLength(1);
    const listed = () => listRoutes(socket).filter((route) => routeDestination(route) === "::/0");
    expect(listed()).toMatchObject(ways.map(({ gateway }) => ({ gateway, outputIndex: index })));
    socket.execute(deleteRoute(ways[0] ?? { destination: "" }));
    expect(listed()).toMatchObject([{ gateway: "fd00::9", outputIndex: index }]);
  });

  kernelTest("that ip(8) made in other ways decode to what it prints", () => {
    const namespace = withLink();
    namespace.sh(`ip route add unreachable 10.20.0.0/16
      ip route add 10.21.0.0/16 dev a0 scope host
      ip route add local 10.22.0.1 dev lo table local
      ip route add 10.23.0.0/16 via 10.1.0.9 table 70000 metric 4294967295
      ip -6 route add unreachable fd20::/64 metric 9`);
    expectAsPrinted(namespace, [RT_TABLE_MAIN, RT_TABLE_LOCAL, 70000]);
  });

  kernelTest("of one table are listed without the others'", () => {
    const { socket, index } = withLink();
    socket.execute(addRoute({ destination: "10.2.0.0/16", outputIndex: index, table: 100 }));
    socket.execute(addRoute({ destination: "10.3.0.0/16", outputIndex: index, table: 1000 }));
    expect(listRoutes(socket, 100).map(routeDestination)).toEqual(["10.2.0.0/16"]);
    expect(listRoutes(socket, 1000).map(routeDestination)).toEqual(["10.3.0.0/16"]);
    expect(listRoutes(socket, 1001)).toEqual([]);
  });

  kernelTest("that packets to an address would take are those that ip(8) names", () => {
    const { socket, sh, json, index } = withLink();
    sh(`ip route add 10.9.0.0/16 via 10.1.0.9; ip route add unreachable 10.8.0.0/16; ip route add blackhole 10.7.0.0/16
      ip route add prohibit 10.6.0.0/16; ip -6 route add fd09::/64 via fd00::9; ip -6 route add unreachable fd08::/64`);
    for (const [to, gateway] of [
      ["10.1.0.7"],
      ["10.9.1.1", "10.1.0.9"],
      ["fd00::7"],
      ["fd09::1", "fd00::9"],
    ] as const) {
      const [shown] = json<{ dev: string; gateway?: string }>(`ip -j route get ${to}`);
      expect(shown).toMatchObject({ dev: "a0", ...(gateway === undefined ? {} : { gateway }) });
      expect(lookUpRoute(socket, to)).toMatchObject({ outputIndex: index, type: RTN_UNICAST });
      expect(lookUpRoute(socket, to)?.gateway).toBe(gateway);
    }
    sh("ip link set lo up");
    for (const own of ["10.1.0.1", "127.0.0.9", "fd00::1", "::1"]) {
      expect(lookUpRoute(socket, own)?.type).toBe(RTN_LOCAL);
    }
    for (const nowhere of ["10.8.0.1", "10.7.0.1", "10.6.0.1", "10.5.0.1", "fd08::1", "fd05::1"]) {
      expect(lookUpRoute(socket, nowhere)).toBeUndefined();
    }
  });

  kernelTest("are replaced, prepended, or refused when they are there", () => {
    const { socket, json } = withLink();
    const route = { destination: "10.2.0.0/16", gateway: "10.1.0.9" };
    socket.execute(addRoute(route));
    expect(codeOf(() => socket.execute(addRoute({ ...route, gateway: "10.1.0.8" })))).toBe("EEXIST");
    socket.execute(replaceRoute({ ...route, gateway: "10.1.0.8" }));
    expect(json("ip -j route show 10.2.0.0/16")).toMatchObject([{ gateway: "10.1.0.8" }]);
    socket.execute(prependRoute({ ...route, gateway: "10.1.0.7" }));
    expect(codeOf(() => socket.execute(prependRoute({ ...route, gateway: "10.1.0.7" })))).toBe("EEXIST");
    expect(json("ip -j route show 10.2.0.0/16")).toMatchObject([{ gateway: "10.1.0.7" }, { gateway: "10.1.0.8" }]);
  });

  kernelTest("are refused with the kernel's words", () => {
    const { socket } = withLink();
    expect(() => socket.execute(addRoute({ destination: "10.2.0.0/16", gateway: "192.0.2.1" }))).toThrow(
      "Cannot add route 10.2.0.0/16 via 192.0.2.1: ENETUNREACH (Nexthop has invalid gateway)",
    );
    expect(codeOf(() => socket.execute(addRoute({ destination: "10.2.0.1/16", gateway: "10.1.0.9" })))).toBe("EINVAL");
    expect(codeOf(() => socket.execute(addRoute({ destination: "10.2.0.0/16", outputIndex: 4711 })))).toBe("ENODEV");
  });

  kernelTest("are deleted only where they are ours in each respect", () => {
    const { socket, sh, index } = withLink();
    sh("ip route add 10.2.0.0/16 via 10.1.0.9 proto static");
    const route = { destination: "10.2.0.0/16", gateway: "10.1.0.9", outputIndex: index };
    expect(codeOf(() => socket.execute(deleteRoute(route)))).toBe("ESRCH");
    socket.execute(deleteRoute({ ...route, protocol: RTPROT_STATIC }));
    expect(listRoutes(socket).map(routeDestination)).not.toContain("10.2.0.0/16");
  });
});
