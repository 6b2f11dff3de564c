/** The way from one member of a lab to another, hop by hop, and what a pod's own part of it is made of. */

import { TendrilError } from "../core/errors.ts";
import type { Family } from "../core/ip.ts";
import { namedNetnsPath } from "../linux/netns.ts";
import { tunnelAddresses } from "./attached.ts";
import { podResources, readResult } from "./attachment.ts";
import { netnsOfMember } from "./exec.ts";
import { bare, type Lab, ofFamily } from "./lab.ts";
import { commandsOf } from "./machine.ts";
import { netnsName } from "./names.ts";
import { type Hop, tracePath } from "./probe/path.ts";
import { lookUpRoute } from "./route-lookup.ts";
import { addressesOf } from "./status.ts";

export interface NamedHop extends Hop {
  /** Whose address it is. */
  readonly member?: string;
  /** The route by which it sends on, as ip-route(8) prints it. */
  readonly route?: string;
}

export interface Path {
  readonly family: Family;
  /** The target's address. */
  readonly address: string;
  /** The sender's own route. */
  readonly route?: string;
  readonly hops: readonly NamedHop[];
}

/** The hops from one member to another in each family of the lab. Throws TendrilError for an unknown member. */
export function tracePaths(lab: Lab, from: string, to: string): Path[] {
  const netns = netnsOfMember(lab, from);
  const owners = addressOwners(lab);
  return lab.families.map((family) => {
    const address = addressOfMember(lab, to, family);
    const routeOf = (member: string) => {
      const route = lookUpRoute(netnsOfMember(lab, member), address);
      return route === undefined ? {} : { route };
    };
    const hops = tracePath(netns, address).map((hop): NamedHop => {
      const member = hop.address === undefined ? undefined : owners.get(hop.address);
      if (member === undefined) return hop;
      return { ...hop, member, ...(hop.arrived ? {} : routeOf(member)) };
    });
    return { family, address, ...routeOf(from), hops };
  });
}

/** A member's address of a family. Throws TendrilError where it has none. */
export function addressOfMember(lab: Lab, member: string, family: Family): string {
  netnsOfMember(lab, member);
  const address = ofFamily(family, addressesOf(lab).get(member) ?? []);
  if (address === undefined || address.includes("/")) {
    throw new TendrilError(`"${member}" of lab "${lab.name}" has no IPv${family} address`);
  }
  return address;
}

/** Who has which address, the gateways of the pods' bridges and the ends of tunnels included. */
function addressOwners(lab: Lab): Map<string, string> {
  const gateways = lab.nodes.flatMap((node) =>
    node.pods.flatMap((name) =>
      (readResult({ lab: lab.name, node, name })?.ips ?? []).flatMap(({ gateway }) =>
        gateway === undefined ? [] : [[gateway, node.name] as const],
      ),
    ),
  );
  const others = [...addressesOf(lab)].flatMap(([member, list]) => list.map((text) => [bare(text), member] as const));
  const tunnels = [...tunnelAddresses(lab)].flatMap(([member, list]) => list.map((ip) => [ip, member] as const));
  return new Map([...gateways, ...tunnels, ...others]);
}

/** What the plugin made for a pod, as commands to type on its node; undefined where it left no record. */
export function attachmentCommands(lab: Lab, member: string): string[] | undefined {
  const [nodeName, name] = member.split("/");
  const node = lab.nodes.find((other) => other.name === nodeName);
  if (node === undefined || name === undefined || !node.pods.includes(name)) return undefined;
  const resources = podResources({ lab: lab.name, node, name });
  return resources === undefined ? undefined : commandsOf(resources, namedNetnsPath(netnsName(lab.name, member)));
}
