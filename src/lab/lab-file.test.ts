import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { cidrContains, parseCidr } from "../core/cidr.ts";
import { ConfigError, DecodeError } from "../core/errors.ts";
import { parseIp } from "../core/ip.ts";
import { EXAMPLE_NAMES, type ExampleName, exampleFile } from "./example.ts";
import { bare } from "./lab.ts";
import { type LabOverrides, parseLabFile } from "./lab-file.ts";

const EXAMPLE = exampleFile("static");
const EXAMPLE_MODES: Readonly<Record<ExampleName, string>> = {
  default: "vxlan",
  static: "none",
  flat: "host-gw",
  routed: "bgp",
  dual: "vxlan",
  ipv6: "vxlan",
  jumbo: "vxlan",
};

/** A valid file with one part of it replaced. */
function changed(part: string, by: string): string {
  if (!EXAMPLE.includes(part)) throw new Error(`The example has no "${part}"`);
  return EXAMPLE.replace(part, by);
}

function errorOf(source: string, overrides?: LabOverrides): unknown {
  try {
    parseLabFile(source, overrides);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("the lab file", () => {
  test("of the built-in lab puts node3 into a subnet of its own, a hop away from node1 and node2", () => {
    const { nodes } = parseLabFile(EXAMPLE);
    expect(nodes.map(({ name, subnet }) => [name, subnet])).toEqual([
      ["node1", "rack1"],
      ["node2", "rack1"],
      ["node3", "rack2"],
    ]);
    expect(nodes.map(({ pods }) => pods.length)).toEqual([2, 2, 2]);
  });

  test("needs no addresses of nodes: they are numbered in their subnet, with the same digits in both families", () => {
    const { nodes, subnets } = parseLabFile(EXAMPLE);
    expect(nodes.map(({ addresses }) => addresses)).toEqual([
      ["172.20.1.11/24", "fd20:1::11/64"],
      ["172.20.1.12/24", "fd20:1::12/64"],
      ["172.20.2.13/24", "fd20:2::13/64"],
    ]);
    expect(subnets.map(({ router }) => router)).toEqual([
      ["172.20.1.1/24", "fd20:1::1/64"],
      ["172.20.2.1/24", "fd20:2::1/64"],
    ]);
    expect(nodes.map(({ podSubnets }) => podSubnets)).toEqual([
      ["10.244.1.0/24", "fd44:0:0:1::/64"],
      ["10.244.2.0/24", "fd44:0:0:2::/64"],
      ["10.244.3.0/24", "fd44:0:0:3::/64"],
    ]);
  });

  test("may give a node addresses and pod subnets of its own, of one family alone too", () => {
    const source = changed(
      "subnet: rack2",
      "subnet: rack2\n    addresses: [172.20.2.200]\n    podSubnets: [10.244.128.0/17]",
    );
    const node = parseLabFile(source).nodes[2];
    expect(node?.addresses).toEqual(["172.20.2.200/24", "fd20:2::13/64"]);
    expect(node?.podSubnets).toEqual(["10.244.128.0/17", "fd44:0:0:3::/64"]);
  });

  test("without IPv6 makes a lab of IPv4 alone", () => {
    const source = EXAMPLE.replaceAll(/, "[^"]*"/g, "").replace("  - fd44::/48\n", "");
    const { families, nodes, outside } = parseLabFile(source);
    expect(families).toEqual([4]);
    expect(nodes[0]?.addresses).toEqual(["172.20.1.11/24"]);
    expect(outside?.addresses).toEqual(["198.51.100.2/24"]);
  });

  test("of the document is one, and has the addresses that the document tells of", () => {
    const page = readFileSync(join(import.meta.dir, "../../docs/lab.md"), "utf8");
    const { name, nodes } = parseLabFile(/```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? "");
    expect(name).toBe("two");
    expect(nodes.map(({ addresses, podSubnets }) => [...addresses, ...podSubnets])).toEqual([
      ["192.0.2.11/24", "10.244.1.0/24"],
      ["192.0.2.100/24", "10.244.128.0/17"],
    ]);
  });

  test("can make a lab of another name", () => {
    expect(parseLabFile(EXAMPLE, { name: "two" }).name).toBe("two");
  });

  test("gives every node of any number of them addresses of its own within its networks", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 4 }), (count, racks) => {
        const subnets = Array.from(
          { length: racks },
          (_, i) => `{name: r${i}, prefixes: [10.${i}.0.0/16, "fd0${i}::/64"]}`,
        );
        const nodes = Array.from({ length: count }, (_, i) => `{name: n${i}, subnet: r${i % racks}}`);
        const source = `{name: many, pods: [172.16.0.0/16, "fd99::/48"], subnets: [${subnets}], nodes: [${nodes}]}`;
        const lab = parseLabFile(source);
        const all = lab.nodes.flatMap(({ addresses }) => addresses.map(bare));
        expect(new Set(all).size).toBe(2 * count);
        expect(new Set(lab.nodes.flatMap(({ podSubnets }) => podSubnets)).size).toBe(2 * count);
        for (const node of lab.nodes) {
          const prefixes = lab.subnets.find(({ name }) => name === node.subnet)?.prefixes ?? [];
          for (const address of node.addresses) expect(isWithin(address, prefixes)).toBe(true);
          for (const subnet of node.podSubnets) expect(isWithin(subnet, lab.podNetworks)).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("of every example is one, and its nodes are where their subnets are", () => {
    for (const name of EXAMPLE_NAMES) {
      const lab = parseLabFile(exampleFile(name));
      expect(lab.cluster?.mode ?? "none").toBe(EXAMPLE_MODES[name]);
      for (const { subnet, addresses } of lab.nodes) {
        const prefixes = lab.subnets.find((each) => each.name === subnet)?.prefixes ?? [];
        for (const address of addresses) expect(isWithin(address, prefixes)).toBe(true);
      }
    }
    expect(parseLabFile(exampleFile("ipv6")).families).toEqual([6]);
    expect(parseLabFile(exampleFile("jumbo")).subnets[0]?.mtu).toBe(9000);
    expect(() => exampleFile("round")).toThrow('There is no example "round"');
  });

  test("with agents leaves it to them to cut the pods' networks, and has short times of its own", () => {
    const { cluster, nodes } = parseLabFile(exampleFile());
    expect(cluster).toEqual({
      mode: "vxlan",
      crossSubnetOnly: true,
      store: "directory",
      blockSize: { ipv4: 26, ipv6: 122 },
      heartbeat: 1,
      grace: 3,
      coolDown: 1,
    });
    expect(nodes.flatMap(({ podSubnets }) => podSubnets)).toEqual([]);
  });

  test("can make a lab of another mode, and what it says of tunnels is left away with them", () => {
    expect(parseLabFile(exampleFile(), { mode: "none" }).cluster).toBeUndefined();
    expect(parseLabFile(exampleFile(), { mode: "bgp" }).cluster).toMatchObject({ mode: "bgp", crossSubnetOnly: false });
    expect(parseLabFile(exampleFile(), { mode: "ipip", store: "etcd" }).cluster).toMatchObject({
      mode: "ipip",
      crossSubnetOnly: true,
      store: "etcd",
    });
  });

  const wrong: readonly [what: string, source: string, field: string, message: RegExp][] = [
    ["no name", changed("name: demo\n", ""), "name", /is missing/],
    ["a lab name with a hyphen", changed("name: demo", "name: my-lab"), "name", /lower-case letters and digits/],
    ["a lab name that is too long", changed("name: demo", `name: ${"x".repeat(21)}`), "name", /longer than 20/],
    ["a field that is none", changed("name: demo", "name: demo\nnode: []"), "node", /is not a field/],
    [
      "a field of a node that is none",
      changed("name: node1", "name: node1\n    pod: []"),
      "nodes[0].pod",
      /is not a field/,
    ],
    ["no networks for pods", changed("  - 10.244.0.0/16\n  - fd44::/48\n", "  []\n"), "pods", /at least one/],
    ["a network that is none", changed("10.244.0.0/16", "10.244.0.0"), "pods[0]", /CIDR/],
    ["two networks of one family", changed("fd44::/48", "10.5.0.0/16"), "pods[1]", /second IPv4/],
    ["a subnet without one of the families", changed(', "fd20:2::/64"', ""), "subnets[1].prefixes", /has no IPv6/],
    ["an outside without one of the families", changed(', "2001:db8:51::/64"', ""), "outside", /has no IPv6/],
    [
      "subnets that overlap",
      changed("172.20.2.0/24", "172.20.0.0/16"),
      "subnets[1].prefixes[0]",
      /overlaps "subnets\[0\]/,
    ],
    [
      "a subnet within the pods' network",
      changed("172.20.2.0/24", "10.244.9.0/24"),
      "subnets[1].prefixes[0]",
      /overlaps "pods\[0\]"/,
    ],
    [
      "a subnet that is too small",
      changed("172.20.2.0/24", "172.20.2.0/29"),
      "nodes[2].subnet",
      /too small for address number 13/,
    ],
    ["two nodes of one name", changed("name: node2", "name: node1"), "nodes[1].name", /same as "nodes\[0\].name"/],
    [
      "a node with a subnet's name",
      changed("name: node2", "name: rack1"),
      "nodes[1].name",
      /same as "subnets\[0\].name"/,
    ],
    ["two pods of one name on a node", changed("[web, db]", "[web, web]"), "nodes[0].pods[1]", /same as/],
    [
      "a node name that no interface can have",
      changed("name: node1", "name: averyverylongname"),
      "nodes[0].name",
      /longer than 15 bytes/,
    ],
    ["a node named like the router", changed("name: node1", "name: router"), "nodes[0].name", /lab's own/],
    ["a node name with a dot", changed("name: node1", "name: node.1"), "nodes[0].name", /lower-case/],
    [
      "a node in a subnet that is none",
      changed("subnet: rack2", "subnet: rack9"),
      "nodes[2].subnet",
      /there are rack1, rack2/,
    ],
    [
      "a node's address out of its subnet",
      changed("subnet: rack2", "subnet: rack2\n    addresses: [172.20.1.9]"),
      "nodes[2].addresses",
      /must be in subnet "rack2"/,
    ],
    [
      "a node with the router's address",
      changed("subnet: rack2", "subnet: rack2\n    addresses: [172.20.2.1]"),
      "nodes[2].addresses",
      /the router in "rack2"/,
    ],
    [
      "two nodes with one address",
      changed("name: node2\n    subnet: rack1", "name: node2\n    subnet: rack1\n    addresses: [172.20.1.11]"),
      "nodes[1].addresses",
      /node "node1"/,
    ],
    [
      "a pod subnet out of the pods' network",
      changed("subnet: rack2", "subnet: rack2\n    podSubnets: [10.9.0.0/24]"),
      "nodes[2].podSubnets",
      /within "pods"/,
    ],
    [
      "pod subnets that overlap",
      changed("subnet: rack2", "subnet: rack2\n    podSubnets: [10.244.1.128/25]"),
      "nodes[2].podSubnets",
      /overlaps "nodes\[0\]/,
    ],
    [
      "a pods' network with no room for a node",
      changed("10.244.0.0/16", "10.244.0.0/23"),
      "nodes[1].podSubnets",
      /no \/24 number 2/,
    ],
    ["pods that are no list", changed("[web, db]", "web"), "nodes[0].pods", /must be a list/],
    [
      "nodes that are no list",
      "{name: x, pods: [10.0.0.0/8], subnets: [{name: s, prefixes: [192.0.2.0/24]}], nodes: 3}",
      "nodes",
      /must be a list/,
    ],
    ["nothing at all", "", "name", /is missing/],
    ["a mode that is none", changed("mode: none", "mode: gre"), "mode", /vxlan/],
    ["host-gw across a router", changed("mode: none", "mode: host-gw"), "mode", /rack1 and rack2/],
    [
      "tunnels in a mode without",
      changed("mode: none", "mode: bgp\ncrossSubnetOnly: true"),
      "crossSubnetOnly",
      /no tunnels/,
    ],
    ["ipip without IPv4", exampleFile("ipv6").replace("mode: vxlan", "mode: ipip"), "mode", /have no IPv4/],
    ["a store that is none", changed("mode: none", "mode: none\nstore: redis"), "store", /etcd/],
    [
      "a block size of another family",
      changed("mode: none", "mode: none\nblockSize: {ipv5: 20}"),
      "blockSize.ipv5",
      /not a field/,
    ],
    ["a grace as short as the heartbeat", changed("mode: none", "mode: bgp\ngrace: 1"), "grace", /longer than/],
    [
      "a pod subnet of a node whose agent cuts them",
      changed("mode: none", "mode: vxlan").replace("subnet: rack2", "subnet: rack2\n    podSubnets: [10.244.9.0/24]"),
      "nodes[2].podSubnets",
      /agents claim/,
    ],
    [
      "an MTU that is too small for IPv6 in a tunnel",
      changed("name: rack1\n", "name: rack1\n    mtu: 1280\n"),
      "subnets[0].mtu",
      /1400/,
    ],
  ];
  for (const [what, source, field, message] of wrong) {
    test(`refuses ${what} with one error that names the field`, () => {
      const error = errorOf(source);
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as ConfigError).field).toBe(field);
      expect((error as ConfigError).message).toMatch(message);
    });
  }

  test("refuses what is not YAML, saying where", () => {
    const error = errorOf("name: [demo\nnodes: {");
    expect(error).toBeInstanceOf(DecodeError);
    expect((error as DecodeError).message).toMatch(/line 1|line 2/);
  });

  test("never ends in another error than these, whatever is written", () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom("name", "pods", "subnets", "nodes", "outside"), (json, field) => {
        const source = JSON.stringify({ name: "x", pods: ["10.0.0.0/8"], [field]: JSON.parse(json) });
        const error = errorOf(source);
        expect(error === undefined || error instanceof ConfigError || error instanceof DecodeError).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

function isWithin(address: string, prefixes: readonly string[]): boolean {
  const ip = parseIp(bare(address));
  return prefixes.some((text) => {
    const prefix = parseCidr(text);
    return ip !== undefined && prefix !== undefined && cidrContains(prefix, ip);
  });
}
