/**
 * The sets of table `inet tendril` in which a node has what it knows of the cluster: rules look into them, so a node or
 * a pod that comes or goes is an element and no rule. Modes, the agent and plugins fill them.
 */

import type { Family } from "./ip.ts";
import type { NftSet } from "./nftables.ts";

export const INET = { family: "inet", table: "tendril" } as const;
export const BRIDGE = { family: "bridge", table: "tendril" } as const;

/** The type of an address. */
export const ADDRESS = { 4: "ipv4_addr", 6: "ipv6_addr" } as const;

/** The pools' networks: who has an address of them is a pod of the cluster. */
export function clusterSet(family: Family): NftSet {
  return { ...INET, name: `cluster_ipv${family}`, key: [ADDRESS[family]], flags: ["interval"] };
}

/** Those of them whose pods leave the cluster under their node's address. */
export function masqueradedSet(family: Family): NftSet {
  return { ...INET, name: `cluster_masqueraded_ipv${family}`, key: [ADDRESS[family]], flags: ["interval"] };
}

/**
 * Addresses of nodes that see pods' addresses as they are. A set of its own beside the pools': an address may lie within a
 * pool's network, and ranges of one set must not overlap.
 */
export function clusterNodesSet(family: Family): NftSet {
  return { ...INET, name: `cluster_nodes_ipv${family}`, key: [ADDRESS[family]] };
}
