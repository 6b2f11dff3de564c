/** The network between the machines of a test cluster: that of `tendril lab`, without its pods and agents. */

import type { Family } from "../../src/core/ip.ts";
import { planJoiningNode } from "../../src/lab/address-plan.ts";
import { bare, type Lab, members, nodeNamed } from "../../src/lab/lab.ts";
import { parseLabFile } from "../../src/lab/lab-file.ts";
import { removeLink } from "../../src/lab/link-state.ts";
import { applyStage } from "../../src/lab/machine.ts";
import { netnsName } from "../../src/lab/names.ts";
import { planNode, planStages } from "../../src/lab/stages.ts";
import { closeNetns, createNamedNetns, deleteNamedNetns } from "../../src/linux/netns.ts";
import { CONTROL, fabricName } from "./names.ts";

/** A node and the name of the subnet that it is in. */
export interface FabricNode {
  readonly name: string;
  readonly subnet: string;
}

const SUBNETS: Readonly<Record<string, readonly [ipv4: string, ipv6: string]>> = {
  rack1: ["172.20.1.0/24", "fd20:1::/64"],
  rack2: ["172.20.2.0/24", "fd20:2::/64"],
  core: ["172.20.9.0/24", "fd20:9::/64"],
};

/** A host beyond the router, which knows no way to the pods. */
const OUTSIDE = ["198.51.100.0/24", "2001:db8:51::/64"] as const;

/** The networks of a cluster's pods and of its services. */
export const PODS = ["10.244.0.0/16", "fd00:10:244::/56"] as const;
export const SERVICES = ["10.96.0.0/16", "fd00:10:96::/112"] as const;

/** The ones of the families, in their order: the first is the cluster's main one. */
export function ofFamilies(pair: readonly [ipv4: string, ipv6: string], families: readonly Family[]): string[] {
  return families.map((family) => pair[family === 4 ? 0 : 1]);
}

/** Chooses all names and addresses: the control plane's machine in a subnet of its own, the nodes in rack1 and rack2. */
export function planFabric(cluster: string, nodes: readonly FabricNode[], families: readonly Family[]): Lab {
  const prefixes = (pair: readonly [string, string]) => ofFamilies(pair, families);
  const description = {
    name: "fabric",
    // Not "none": its routes to pods are for the cluster's own network to make.
    mode: "vxlan",
    pods: prefixes(PODS),
    subnets: Object.entries(SUBNETS).map(([name, pair]) => ({ name, prefixes: prefixes(pair) })),
    nodes: [...nodes.map(({ name, subnet }) => ({ name, subnet })), { name: CONTROL, subnet: "core" }],
    outside: prefixes(OUTSIDE),
  };
  return { ...parseLabFile(JSON.stringify(description)), name: fabricName(cluster) };
}

/** Makes the namespaces, links, addresses and routes. */
export function makeFabric(lab: Lab, folder: string): void {
  for (const member of members(lab)) closeNetns(createNamedNetns(netnsName(lab.name, member)));
  for (const stage of planStages(lab)) applyStage(lab.name, folder, stage);
}

/** The fabric with one node more, in the subnet's next free addresses. It has no links yet. */
export function withNode(lab: Lab, { name, subnet }: FabricNode): Lab {
  return { ...lab, nodes: [...lab.nodes, planJoiningNode(lab, { name, subnet, pods: [] })] };
}

export function withoutNode(lab: Lab, name: string): Lab {
  return { ...lab, nodes: lab.nodes.filter((node) => node.name !== name) };
}

/** Makes a node's namespace with its link, as it is before anything has run on it. */
export function plugIn(lab: Lab, name: string, folder: string): void {
  const node = nodeNamed(lab, name);
  if (node === undefined) throw new TypeError(`The fabric has no node "${name}"`);
  closeNetns(createNamedNetns(netnsName(lab.name, name)));
  applyStage(lab.name, folder, planNode(lab, node));
}

/** Takes a node's namespace away, with its links. */
export function unplug(lab: Lab, name: string): void {
  const subnet = nodeNamed(lab, name)?.subnet ?? "";
  // A namespace's links go some time after it, and the next one of this name would find the other end of this one's.
  removeLink(netnsName(lab.name, subnet), name);
  deleteNamedNetns(netnsName(lab.name, name));
}

/** The addresses of a machine without their prefix lengths, in the order of the families. */
export function addressesOf(lab: Lab, machine: string): string[] {
  const found = nodeNamed(lab, machine);
  if (found === undefined) throw new TypeError(`The cluster has no machine "${machine}"`);
  return found.addresses.map(bare);
}
