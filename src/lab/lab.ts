/** A lab as data, complete: every name and address is chosen. */

import type { Cidr } from "../core/cidr.ts";
import type { ModeName } from "../core/cluster.ts";
import { type Family, familyOf } from "../core/ip.ts";
import { OUTSIDE, ROUTER } from "./names.ts";

/** Static routes without any agent, or a mode of the agents. */
export type LabMode = "none" | ModeName;

/** Where the agents' store is: a folder of the lab's, or an etcd in the router's namespace. */
export type LabStore = "directory" | "etcd";

/** A subnet of the fabric: a switch to which its nodes and the router are connected. */
export interface LabSubnet {
  readonly name: string;
  /** Networks in CIDR notation, one of each family of the lab. */
  readonly prefixes: readonly string[];
  /** The router's addresses in it, with prefix length. */
  readonly router: readonly string[];
  /** Of all links in it, in bytes; the kernel's choice when it is absent. */
  readonly mtu?: number;
}

export interface LabNode {
  readonly name: string;
  /** Name of the subnet that it is in. */
  readonly subnet: string;
  /** Its addresses in the subnet, with prefix length. */
  readonly addresses: readonly string[];
  /** The networks from which its pods get their addresses; none with agents, which choose them as they go. */
  readonly podSubnets: readonly string[];
  readonly pods: readonly string[];
  /** Pods that are known as namespace/name of their own to their agent, such as `default/web-0`. */
  readonly identities?: Readonly<Record<string, string>>;
}

/** A host beyond the router that knows the way to the nodes, but none to the pods. */
export interface LabOutside {
  readonly prefixes: readonly string[];
  /** Its addresses, with prefix length. */
  readonly addresses: readonly string[];
  readonly router: readonly string[];
}

/** What the agents of a lab are told. */
export interface LabCluster {
  readonly mode: ModeName;
  /** Tunnels only to nodes of other subnets. */
  readonly crossSubnetOnly: boolean;
  readonly store: LabStore;
  /** Prefix lengths of the blocks by which nodes claim addresses. */
  readonly blockSize: { readonly ipv4: number; readonly ipv6: number };
  /** In seconds, as the agent's configuration has them. */
  readonly heartbeat: number;
  readonly grace: number;
  readonly coolDown: number;
}

export interface Lab {
  readonly name: string;
  /** Absent where nodes run no agents: then routes are static, and pods attached by the plugin `bridge`. */
  readonly cluster?: LabCluster;
  readonly families: readonly Family[];
  /** The networks that all nodes' pod subnets are parts of. */
  readonly podNetworks: readonly string[];
  readonly subnets: readonly LabSubnet[];
  readonly nodes: readonly LabNode[];
  readonly outside?: LabOutside;
}

/** A description as its author wrote it, checked field by field. */
export interface LabDescription {
  readonly name: string;
  readonly mode: LabMode;
  readonly crossSubnetOnly: boolean;
  readonly store: LabStore;
  readonly blockSize: LabCluster["blockSize"];
  readonly heartbeat: number;
  readonly grace: number;
  readonly coolDown: number;
  readonly pods: readonly Cidr[];
  readonly subnets: readonly {
    readonly name: string;
    readonly prefixes: readonly Cidr[];
    readonly mtu?: number | undefined;
  }[];
  readonly nodes: readonly {
    readonly name: string;
    readonly subnet: string;
    readonly addresses: readonly Cidr["ip"][];
    readonly podSubnets: readonly Cidr[];
    readonly pods: readonly string[];
  }[];
  readonly outside: readonly Cidr[];
}

/** The one of a family among addresses or networks in text; undefined where the family is not among them. */
export function ofFamily(family: Family, list: readonly string[]): string | undefined {
  return list.find((text) => familyOf(text) === family);
}

/** An address without its prefix length. */
export function bare(cidr: string): string {
  return cidr.split("/")[0] ?? cidr;
}

/** Whether packets from one node to another go as they are; else in a tunnel. */
export function isDirect({ cluster }: Lab, from: LabNode, to: LabNode): boolean {
  if (cluster === undefined || cluster.mode === "host-gw" || cluster.mode === "bgp" || from.name === to.name)
    return true;
  return cluster.crossSubnetOnly && from.subnet === to.subnet;
}

/** The node of a name, or undefined. */
export function nodeNamed({ nodes }: Lab, name: string): LabNode | undefined {
  return nodes.find((node) => node.name === name);
}

/** The pods of a lab as `node/pod`. */
export function podPaths(lab: Lab): string[] {
  return lab.nodes.flatMap(({ name, pods }) => pods.map((pod) => `${name}/${pod}`));
}

/** All that has a network namespace of its own, in the order of making: switches, router, outside, nodes, pods. */
export function members(lab: Lab): string[] {
  return [
    ...lab.subnets.map(({ name }) => name),
    ROUTER,
    ...(lab.outside === undefined ? [] : [OUTSIDE]),
    ...lab.nodes.map(({ name }) => name),
    ...podPaths(lab),
  ];
}
