/**
 * Topologies, as lab files: `default` comes up when no file is given. Each is also a file to start one's own from.
 */

import { TendrilError } from "../core/errors.ts";

const PODS = `# The networks of all pods; nodes claim blocks of them. Without the IPv6 lines the lab is IPv4 only.
pods:
  - 10.244.0.0/16
  - fd44::/48
`;

const RACKS = `# The fabric: each subnet is a switch, and the router has the first address in each.
subnets:
  - name: rack1
    prefixes: [172.20.1.0/24, "fd20:1::/64"]
  - name: rack2
    prefixes: [172.20.2.0/24, "fd20:2::/64"]
`;

const RACK_NODES = `nodes:
  - name: node1
    subnet: rack1
    pods: [web, db]
  - name: node2
    subnet: rack1
    pods: [web, db]
  - name: node3
    subnet: rack2
    pods: [web, db]
`;

const OUTSIDE = `# A host beyond the router. It has no route to the pods, so they reach it under their node's address only.
outside: [198.51.100.0/24, "2001:db8:51::/64"]
`;

const lanNodes = (pods: string) => `nodes:
${[1, 2, 3].map((i) => `  - name: node${i}\n    subnet: lan\n    pods: ${pods}\n`).join("")}`;

const EXAMPLES = {
  default: `# A cluster of three nodes. node3 is a hop away from the other two: the router is between the subnets.
name: demo

# Agents connect the pods: within a subnet by routes, across the router in VXLAN tunnels.
mode: vxlan
crossSubnetOnly: true

${PODS}
${RACKS}
${RACK_NODES}
${OUTSIDE}`,

  static: `# A cluster of three nodes without agents: static routes, pods attached by the plugins bridge and host-local.
name: demo
mode: none

# The networks of all pods; each node gets a part of them. Without the IPv6 lines the lab is IPv4 only.
pods:
  - 10.244.0.0/16
  - fd44::/48

${RACKS}
${RACK_NODES}
${OUTSIDE}`,

  flat: `# Three nodes on one link, which are each other's gateways.
name: flat
mode: host-gw

pods: [10.244.0.0/16, "fd44::/48"]

subnets:
  - name: lan
    prefixes: [172.20.1.0/24, "fd20:1::/64"]

${lanNodes("[web, db]")}
${OUTSIDE}`,

  routed: `# Three subnets behind a router that is told by BGP where the pods are: no tunnels.
name: routed
mode: bgp

pods: [10.244.0.0/16, "fd44::/48"]

subnets:
  - name: rack1
    prefixes: [172.20.1.0/24, "fd20:1::/64"]
  - name: rack2
    prefixes: [172.20.2.0/24, "fd20:2::/64"]
  - name: rack3
    prefixes: [172.20.3.0/24, "fd20:3::/64"]

nodes:
  - name: node1
    subnet: rack1
    pods: [web, db]
  - name: node2
    subnet: rack1
    pods: [web]
  - name: node3
    subnet: rack2
    pods: [web]
  - name: node4
    subnet: rack3
    pods: [web]

${OUTSIDE}`,

  dual: `# Both families, and all packets between nodes in tunnels, also within a subnet.
name: dual
mode: vxlan

${PODS}
${RACKS}
${RACK_NODES}
${OUTSIDE}`,

  ipv6: `# IPv6 alone, pods and nodes: tunnels over IPv6 across the router.
name: ipv6
mode: vxlan
crossSubnetOnly: true

pods: ["fd44::/48"]

subnets:
  - name: rack1
    prefixes: ["fd20:1::/64"]
  - name: rack2
    prefixes: ["fd20:2::/64"]

${RACK_NODES}
outside: ["2001:db8:51::/64"]
`,

  jumbo: `# Jumbo frames: what the tunnels add is taken from 9000 bytes.
name: jumbo
mode: vxlan

pods: [10.244.0.0/16, "fd44::/48"]

subnets:
  - name: lan
    prefixes: [172.20.1.0/24, "fd20:1::/64"]
    mtu: 9000

${lanNodes("[web]")}`,
} as const;

export type ExampleName = keyof typeof EXAMPLES;

export const EXAMPLE_NAMES = Object.keys(EXAMPLES) as readonly ExampleName[];

/** The file of a topology. Throws TendrilError, which names those that there are, for another name. */
export function exampleFile(name = "default"): string {
  const known = EXAMPLE_NAMES.find((each) => each === name);
  if (known !== undefined) return EXAMPLES[known];
  throw new TendrilError(`There is no example "${name}"`, { details: `There are ${EXAMPLE_NAMES.join(", ")}.` });
}
