/** What all tunnels have alike: the node's end, and a direct way instead where one is wanted. */

import { alone, type Family } from "../core/ip.ts";
import type { AddressResource, LinkSettingsResource, Resource, RouteResource, SysctlResource } from "../core/plan.ts";
import { type LocalNode, type ModeSettings, type Peer, type PeerPlan, ROUTE_PROTOCOL } from "./mode.ts";
import { directRoutes, familiesOf, prefixesOf, sharedLink, tunnelAddress, uplinkOf } from "./reach.ts";

/** Of the packets in the tunnels: what the uplink takes, and not more than any node of the cluster can get. */
export function tunnelMtu(local: LocalNode, underlay: Family, overhead: number): number {
  const uplink = uplinkOf(local, underlay);
  return uplink === undefined ? local.mtu : Math.min(uplink.mtu - overhead, local.mtu);
}

/**
 * What a node's end needs once the link is there: nothing that comes by itself, its addresses, and to be up.
 *
 * Packets come in by it from nodes that this one may reach directly, so their way back need not be by the tunnel: the
 * test of reverse paths is the loose one. The greater of two values counts, so it is that whatever the host has set.
 */
export function planTunnelEnd(link: string, local: LocalNode, families: readonly Family[]): Resource[] {
  const conf = (name: string, value: string): SysctlResource => ({
    kind: "sysctl",
    where: "host",
    link,
    name: `net/${name.replace("/", `/conf/${link}/`)}`,
    value,
    optional: true,
  });
  const ipv6 = families.includes(6)
    ? // No link-local address (1 is IN6_ADDR_GEN_MODE_NONE): it would only bring multicast that every node gets.
      [
        conf("ipv6/disable_ipv6", "0"),
        conf("ipv6/addr_gen_mode", "1"),
        conf("ipv6/accept_ra", "0"),
        conf("ipv6/accept_dad", "0"),
      ]
    : [conf("ipv6/disable_ipv6", "1")];
  const addresses = families.flatMap((family): AddressResource[] => {
    const own = tunnelAddress(local, family);
    return own === undefined ? [] : [{ kind: "address", where: "host", link, address: alone(own) }];
  });
  const up: LinkSettingsResource = { kind: "link-settings", where: "host", link, set: { up: true } };
  return [conf("ipv4/rp_filter", "2"), ...ipv6, ...addresses, up];
}

/** A way into the tunnel for one family of pods, or why there is none. */
export type TunnelWay =
  | { readonly gateway: string; readonly before: readonly Resource[] }
  | { readonly problem: string };

export interface TunnelWays {
  /** What the ways of all families need. */
  readonly once?: readonly Resource[];
  readonly link: (family: Family) => string;
  readonly way: (family: Family) => TunnelWay;
}

/** Routes to the peer: by the tunnel, or directly where the operator wants tunnels across subnets only. */
export function planTunnelPeer(
  peer: Peer,
  local: LocalNode,
  { crossSubnetOnly }: Pick<ModeSettings, "crossSubnetOnly">,
  tunnel: TunnelWays,
): PeerPlan {
  const resources: Resource[] = [];
  const tunnelled: Resource[] = [];
  const problems = new Set<string>();
  const families = familiesOf(peer);
  let direct = families.length > 0;
  for (const family of families) {
    const shared = crossSubnetOnly ? sharedLink(peer, local, family) : undefined;
    if (shared !== undefined) {
      resources.push(...directRoutes(peer, family, shared));
      continue;
    }
    direct = false;
    // Without pods there is nothing to lead there, nor anything to miss.
    const prefixes = prefixesOf(peer, family);
    if (prefixes.length === 0) continue;
    const way = tunnel.way(family);
    if ("problem" in way) problems.add(way.problem);
    else tunnelled.push(...way.before, ...tunnelRoutes(prefixes, tunnel.link(family), way.gateway, local, family));
  }
  if (tunnelled.length > 0) resources.push(...(tunnel.once ?? []), ...tunnelled);
  return { resources, direct, ...(problems.size === 0 ? {} : { problem: [...problems].join("; ") }) };
}

function tunnelRoutes(
  prefixes: readonly string[],
  link: string,
  gateway: string,
  local: LocalNode,
  family: Family,
): RouteResource[] {
  const preferredSource = tunnelAddress(local, family);
  return prefixes.map((destination) => ({
    kind: "route",
    where: "host",
    link,
    destination,
    gateway,
    onlink: true,
    ...(preferredSource === undefined ? {} : { preferredSource }),
    protocol: ROUTE_PROTOCOL,
  }));
}
