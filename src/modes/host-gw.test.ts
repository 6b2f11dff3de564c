import { describe, expect, test } from "bun:test";
import { hostGateway } from "./host-gw.ts";
import { lines, localNode, peerNode, SETTINGS } from "./test-support/nodes.ts";

const settings = { ...SETTINGS, mode: "host-gw" } as const;
const dual = ["172.20.1.11/24", "fd20::11/64"];
const twoUplinks = [
  { name: "eth0", mtu: 1500, addresses: ["172.20.1.11/24"] },
  { name: "eth1", mtu: 9000, addresses: ["172.21.0.11/16", "fd21::11/64"] },
];

describe("host-gw leads to", () => {
  const cases: [what: string, local: object, peer: object, routes: string[]][] = [
    ["a peer of the subnet", {}, {}, ["route 10.244.1.0/26 via 172.20.1.12 dev eth0"]],
    [
      "each of its networks, borrowed addresses too",
      {},
      { prefixes: ["10.244.1.0/26", "10.244.9.0/26", "10.244.0.7/32"] },
      ["10.244.1.0/26", "10.244.9.0/26", "10.244.0.7/32"].map((to) => `route ${to} via 172.20.1.12 dev eth0`),
    ],
    [
      "pods of both families",
      { addresses: dual },
      { addresses: ["172.20.1.12/24", "fd20::12/64"], prefixes: ["10.244.1.0/26", "fd44::40/122"] },
      ["route 10.244.1.0/26 via 172.20.1.12 dev eth0", "route fd44::40/122 via fd20::12 dev eth0"],
    ],
    [
      "a peer with IPv6 alone",
      { addresses: ["fd20::11/64"] },
      { addresses: ["fd20::12/64"], prefixes: ["fd44::40/122"] },
      ["route fd44::40/122 via fd20::12 dev eth0"],
    ],
    [
      "a peer by the uplink that it is on, by its address there",
      { uplinks: twoUplinks },
      { addresses: ["10.9.9.9/24", "172.21.0.12/16"] },
      ["route 10.244.1.0/26 via 172.21.0.12 dev eth1"],
    ],
    ["a peer without pods: nowhere", {}, { prefixes: [] }, []],
  ];
  for (const [what, local, peer, routes] of cases) {
    test(what, () => {
      const plan = hostGateway.planPeer(peerNode(peer), localNode(local), settings);
      expect(lines(plan.resources)).toEqual(routes);
      expect(plan.direct).toBe(true);
      expect(plan.problem).toBeUndefined();
    });
  }

  test("no peer behind a router, and says what to do", () => {
    const plan = hostGateway.planPeer(peerNode({ addresses: ["172.20.2.12/24"] }), localNode(), settings);
    expect(plan).toEqual({
      resources: [],
      direct: false,
      problem:
        'Mode host-gw has no way for IPv4 from node "a" (172.20.1.11/24) to node "b" (172.20.2.12/24): they share no link; ' +
        "use mode vxlan or ipip, or bgp with the routers between them",
    });
  });

  test("pods of one family where the nodes share a link in that alone", () => {
    const plan = hostGateway.planPeer(peerNode({ prefixes: ["10.244.1.0/26", "fd44::40/122"] }), localNode(), settings);
    expect(lines(plan.resources)).toEqual(["route 10.244.1.0/26 via 172.20.1.12 dev eth0"]);
    expect(plan.direct).toBe(false);
    expect(plan.problem).toContain("no way for IPv6 from");
  });
});

test("host-gw needs nothing on the node and adds nothing to packets", () => {
  expect(hostGateway.planNode(localNode(), settings)).toEqual([]);
  expect(hostGateway.overhead(4, settings)).toBe(0);
});
