/** A lab as data, complete: every name and address is chosen. */

import type { Cidr } from "../core/cidr.ts";
import { type Family, familyOf } from "../core/ip.ts";
import { OUTSIDE, ROUTER } from "./names.ts";

/** A subnet of the fabric: a switch to which its nodes and the router are connected. */
export interface LabSubnet {
  readonly name: string;
  /** Networks in CIDR notation, one of each family of the lab. */
  readonly prefixes: readonly string[];
  /** The router's addresses in it, with prefix length. */
  readonly router: readonly string[];
}

export interface LabNode {
  readonly name: string;
  /** Name of the subnet that it is in. */
  readonly subnet: string;
  /** Its addresses in the subnet, with prefix length. */
  readonly addresses: readonly string[];
  /** The networks from which its pods get their addresses. */
  readonly podSubnets: readonly string[];
  readonly pods: readonly string[];
}

/** A host beyond the router that knows the way to the nodes, but none to the pods. */
export interface LabOutside {
  readonly prefixes: readonly string[];
  /** Its addresses, with prefix length. */
  readonly addresses: readonly string[];
  readonly router: readonly string[];
}

export interface Lab {
  readonly name: string;
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
  readonly pods: readonly Cidr[];
  readonly subnets: readonly { readonly name: string; readonly prefixes: readonly Cidr[] }[];
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
