import { describe, expect, test } from "bun:test";
import type { Resource } from "../core/plan.ts";
import { lines, localNode, MAC, peerNode, SETTINGS } from "./test-support/nodes.ts";
import { vxlan } from "./vxlan.ts";

const V6_ONLY = { addresses: ["fd20::11/64"], tunnelAddresses: ["10.244.0.1", "fd44::1"] };
const linksOf = (resources: readonly Resource[]) => resources.filter(({ kind }) => kind === "link");

describe("a node's end", () => {
  test("has its addresses before it comes up, and nothing that comes by itself", () => {
    const local = localNode({ tunnelAddresses: ["10.244.0.1", "fd44::1/128"] });
    expect(lines(vxlan.planNode(local, SETTINGS))).toEqual([
      "link tendril.vxlan vxlan mtu 1450 local 172.20.1.11",
      "net/ipv4/conf/tendril.vxlan/rp_filter=2",
      "net/ipv6/conf/tendril.vxlan/disable_ipv6=0",
      "net/ipv6/conf/tendril.vxlan/addr_gen_mode=1",
      "net/ipv6/conf/tendril.vxlan/accept_ra=0",
      "net/ipv6/conf/tendril.vxlan/accept_dad=0",
      "address 10.244.0.1/32 dev tendril.vxlan",
      "address fd44::1/128 dev tendril.vxlan",
      "set tendril.vxlan up",
    ]);
  });

  test("has no IPv6 where no pods have it", () => {
    expect(lines(vxlan.planNode(localNode(), SETTINGS))).toContain("net/ipv6/conf/tendril.vxlan/disable_ipv6=1");
  });

  test("has the VNI, the port and the MAC that were chosen", () => {
    const settings = { ...SETTINGS, vxlan: { vni: 77, port: 8472 } };
    expect(linksOf(vxlan.planNode(localNode(), settings))).toMatchObject([
      { vni: 77, port: 8472, mac: "02:00:00:00:00:0a" },
    ]);
  });

  const mtus: [what: string, local: object, mtu: number][] = [
    ["the uplink's less 50 over IPv4", {}, 1450],
    ["the uplink's less 70 over IPv6", V6_ONLY, 1430],
    ["the cluster's where that is less", { mtu: 1400 }, 1400],
    ["the cluster's where the node's address is on no link that is known", { uplinks: [], mtu: 1200 }, 1200],
    [
      "that of the uplink which the tunnels go by",
      {
        mtu: 9000,
        uplinks: [
          { name: "eth1", mtu: 1500, addresses: ["10.0.0.1/8"] },
          { name: "eth0", mtu: 9000, addresses: ["172.20.1.11/24"] },
        ],
      },
      8950,
    ],
  ];
  for (const [what, local, mtu] of mtus) {
    test(`has an MTU of ${what}`, () => {
      expect(linksOf(vxlan.planNode(localNode(local), SETTINGS))).toMatchObject([{ mtu }]);
    });
  }

  test("is not made without an address", () => {
    expect(vxlan.planNode(localNode({ addresses: [] }), SETTINGS)).toEqual([]);
  });
});

describe("vxlan leads to", () => {
  const dev = "dev tendril.vxlan";
  const src = "src 10.244.0.1";
  const cases: [what: string, local: object, peer: object, wanted: string[]][] = [
    [
      "a peer by one forwarding entry, one neighbour and one route",
      {},
      {},
      [
        `fdb ${MAC} dst 172.20.1.12 ${dev}`,
        `neighbour 172.20.1.12 lladdr ${MAC} ${dev}`,
        `route 10.244.1.0/26 via 172.20.1.12 ${dev} onlink ${src}`,
      ],
    ],
    [
      "a peer of another subnet alike, and to addresses that it has borrowed",
      {},
      { addresses: ["172.20.2.12/24"], prefixes: ["10.244.1.0/26", "10.244.0.9/32"] },
      [
        `fdb ${MAC} dst 172.20.2.12 ${dev}`,
        `neighbour 172.20.2.12 lladdr ${MAC} ${dev}`,
        `route 10.244.1.0/26 via 172.20.2.12 ${dev} onlink ${src}`,
        `route 10.244.0.9/32 via 172.20.2.12 ${dev} onlink ${src}`,
      ],
    ],
    [
      "pods of both families over IPv4, by one forwarding entry",
      { tunnelAddresses: ["10.244.0.1", "fd44::1"] },
      { prefixes: ["fd44::40/122", "10.244.1.0/26"] },
      [
        `fdb ${MAC} dst 172.20.1.12 ${dev}`,
        `neighbour 172.20.1.12 lladdr ${MAC} ${dev}`,
        `route 10.244.1.0/26 via 172.20.1.12 ${dev} onlink ${src}`,
        `neighbour fe80::ff:fe00:1 lladdr ${MAC} ${dev}`,
        `route fd44::40/122 via fe80::ff:fe00:1 ${dev} onlink src fd44::1`,
      ],
    ],
    [
      "pods of both families over IPv6 alone, IPv4 by an address that no other node can have",
      V6_ONLY,
      { addresses: ["fd20::12/64"], prefixes: ["10.244.9.0/26", "10.244.1.3/32", "fd44::40/122"] },
      [
        `fdb ${MAC} dst fd20::12 ${dev}`,
        `neighbour 10.244.1.3 lladdr ${MAC} ${dev}`,
        `route 10.244.9.0/26 via 10.244.1.3 ${dev} onlink ${src}`,
        `route 10.244.1.3/32 via 10.244.1.3 ${dev} onlink ${src}`,
        `neighbour fe80::ff:fe00:1 lladdr ${MAC} ${dev}`,
        `route fd44::40/122 via fe80::ff:fe00:1 ${dev} onlink src fd44::1`,
      ],
    ],
    ["a peer without pods: nowhere", {}, { prefixes: [] }, []],
  ];
  for (const [what, local, peer, wanted] of cases) {
    test(what, () => {
      const plan = vxlan.planPeer(peerNode(peer), localNode(local), SETTINGS);
      expect(lines(plan.resources)).toEqual(wanted);
      expect(plan.direct).toBe(false);
      expect(plan.problem).toBeUndefined();
    });
  }

  const problems: [what: string, peer: object, problem: string][] = [
    ["has no address of the tunnels' family", { addresses: ["fd20::12/64"] }, "it has no IPv4 address"],
    ["has not told its MAC", { tunnelMac: undefined }, "has not told the MAC of its tunnel's end yet"],
  ];
  for (const [what, peer, problem] of problems) {
    test(`no peer that ${what}`, () => {
      const plan = vxlan.planPeer(peerNode(peer), localNode(), SETTINGS);
      expect(plan.resources).toEqual([]);
      expect(plan.problem).toContain(problem);
    });
  }
});

describe("across subnets only", () => {
  const settings = { ...SETTINGS, crossSubnetOnly: true };
  test("a peer of the subnet is reached directly", () => {
    const plan = vxlan.planPeer(peerNode(), localNode(), settings);
    expect(lines(plan.resources)).toEqual(["route 10.244.1.0/26 via 172.20.1.12 dev eth0"]);
    expect(plan.direct).toBe(true);
  });

  test("one of another subnet by the tunnel", () => {
    const plan = vxlan.planPeer(peerNode({ addresses: ["172.20.2.12/24"] }), localNode(), settings);
    expect(lines(plan.resources)).toHaveLength(3);
    expect(plan.direct).toBe(false);
  });

  test("one that shares the link in one family directly in that alone", () => {
    const peer = peerNode({ prefixes: ["10.244.1.0/26", "fd44::40/122"] });
    const plan = vxlan.planPeer(peer, localNode({ tunnelAddresses: ["10.244.0.1", "fd44::1"] }), settings);
    expect(lines(plan.resources)).toEqual([
      "route 10.244.1.0/26 via 172.20.1.12 dev eth0",
      `fdb ${MAC} dst 172.20.1.12 dev tendril.vxlan`,
      `neighbour fe80::ff:fe00:1 lladdr ${MAC} dev tendril.vxlan`,
      "route fd44::40/122 via fe80::ff:fe00:1 dev tendril.vxlan onlink src fd44::1",
    ]);
    expect(plan.direct).toBe(false);
  });
});
