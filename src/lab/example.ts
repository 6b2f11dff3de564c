/** The lab that comes up when no file is given; also the file to start one's own from. */

export const EXAMPLE = `# A cluster of three nodes. node3 is a hop away from the other two: the router is between the subnets.
name: demo

# The networks of all pods; each node gets a part of them. Without the IPv6 lines the lab is IPv4 only.
pods:
  - 10.244.0.0/16
  - fd44::/48

# The fabric: each subnet is a switch, and the router has the first address in each.
subnets:
  - name: rack1
    prefixes: [172.20.1.0/24, "fd20:1::/64"]
  - name: rack2
    prefixes: [172.20.2.0/24, "fd20:2::/64"]

nodes:
  - name: node1
    subnet: rack1
    pods: [web, db]
  - name: node2
    subnet: rack1
    pods: [web, db]
  - name: node3
    subnet: rack2
    pods: [web, db]

# A host beyond the router. It has no route to the pods, so they reach it under their node's address only.
outside: [198.51.100.0/24, "2001:db8:51::/64"]
`;
