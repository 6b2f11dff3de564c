import { describe, expect, test } from "bun:test";
import { ipip } from "./ipip.ts";
import { lines, localNode, peerNode, SETTINGS } from "./test-support/nodes.ts";

const settings = { ...SETTINGS, mode: "ipip" } as const;
const dual = { tunnelAddresses: ["10.244.0.1", "fd44::1"] };

describe("a node has", () => {
  test("a device for each family of the pods, and for IPv6 another one to nodes of the same link", () => {
    const planned = lines(ipip.planNode(localNode(dual), settings));
    expect(planned.filter((line) => !line.startsWith("net/"))).toEqual([
      "link tendril.ipip ipip mtu 1480 local 172.20.1.11",
      "address 10.244.0.1/32 dev tendril.ipip",
      "set tendril.ipip up",
      "link tendril.sit sit mtu 1480 local 172.20.1.11",
      "address fd44::1/128 dev tendril.sit",
      "set tendril.sit up",
      "link tendril.sit.lan sit mtu 1480 local 172.20.1.11",
      "set tendril.sit.lan up",
    ]);
    expect(planned).toContain("net/ipv6/conf/tendril.ipip/disable_ipv6=1");
    expect(planned).toContain("net/ipv6/conf/tendril.sit/addr_gen_mode=1");
  });

  test("its IPv4 address in the tunnels, also where another is its first", () => {
    const local = localNode({ addresses: ["fd20::11/64", "172.20.1.11/24"] });
    expect(lines(ipip.planNode(local, settings))[0]).toBe("link tendril.ipip ipip mtu 1480 local 172.20.1.11");
  });

  test("nothing without an IPv4 address", () => {
    expect(ipip.planNode(localNode({ addresses: ["fd20::11/64"] }), settings)).toEqual([]);
  });
});

describe("ipip leads to", () => {
  const cases: [what: string, peer: object, wanted: string[]][] = [
    ["a peer of the subnet", {}, ["route 10.244.1.0/26 via 172.20.1.12 dev tendril.ipip onlink src 10.244.0.1"]],
    [
      "pods of both families, and addresses that it has borrowed",
      { addresses: ["172.20.2.12/24"], prefixes: ["10.244.1.0/26", "10.244.0.9/32", "fd44::40/122"] },
      [
        "route 10.244.1.0/26 via 172.20.2.12 dev tendril.ipip onlink src 10.244.0.1",
        "route 10.244.0.9/32 via 172.20.2.12 dev tendril.ipip onlink src 10.244.0.1",
        "route fd44::40/122 via ::ac14:20c dev tendril.sit onlink src fd44::1",
      ],
    ],
    [
      "pods with IPv6 on the same link, by a device for these alone",
      { prefixes: ["fd44::40/122"] },
      ["route fd44::40/122 via ::ac14:10c dev tendril.sit.lan onlink src fd44::1"],
    ],
    ["a peer without pods: nowhere", { prefixes: [] }, []],
  ];
  for (const [what, peer, wanted] of cases) {
    test(what, () => {
      const plan = ipip.planPeer(peerNode(peer), localNode(dual), settings);
      expect(lines(plan.resources)).toEqual(wanted);
      expect(plan).toMatchObject({ direct: false });
      expect(plan.problem).toBeUndefined();
    });
  }

  test("a peer of the subnet directly where tunnels are for other subnets only", () => {
    const plan = ipip.planPeer(peerNode(), localNode(dual), { ...settings, crossSubnetOnly: true });
    expect(lines(plan.resources)).toEqual(["route 10.244.1.0/26 via 172.20.1.12 dev eth0"]);
    expect(plan.direct).toBe(true);
  });

  const lacking: [who: string, local: object, peer: object][] = [
    ["b", {}, { addresses: ["fd20::12/64"] }],
    ["a", { addresses: ["fd20::11/64"] }, {}],
  ];
  for (const [who, local, peer] of lacking) {
    test(`no peer where node "${who}" has no IPv4 address`, () => {
      const plan = ipip.planPeer(peerNode(peer), localNode(local), settings);
      expect(plan.resources).toEqual([]);
      expect(plan.problem).toEndWith(`node "${who}" has no IPv4 address; use mode vxlan`);
    });
  }
});
