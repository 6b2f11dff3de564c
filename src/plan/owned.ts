/** What of the host's network the agent has made, as the kernel has it: for an agent that starts anew, and for cleaning up. */

import type { LinkResource, Resource, RouteResource } from "../core/plan.ts";
import { AF_BRIDGE, AF_INET, AF_INET6 } from "../linux/libc.ts";
import {
  type Address,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_PERMANENT,
  listAddresses,
} from "../linux/netlink/rtnetlink/address.ts";
import type { KernelLink } from "../linux/netlink/rtnetlink/link/link.ts";
import { listNeighbours, type Neighbour, NTF_SELF, NUD_PERMANENT } from "../linux/netlink/rtnetlink/neighbour.ts";
import {
  listAllRoutes,
  type Route,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTN_UNICAST,
  RTNH_F_ONLINK,
  routeDestination,
} from "../linux/netlink/rtnetlink/route.ts";
import type { Kernel } from "../resources/kernel.ts";
import { IPV6_PRIORITY } from "./identity.ts";

export interface OwnedBy {
  /** RTPROT_ of our routes. */
  readonly protocol: number;
  /** Names of our tunnel links. */
  readonly links: readonly string[];
}

/**
 * Our tunnel links, with the addresses, neighbours and forwarding entries on them, and our routes in all tables, in the
 * order in which they are made. Throws NetlinkError.
 */
export function ownedInKernel(kernel: Kernel, { protocol, links }: OwnedBy): Resource[] {
  const socket = kernel.route("host");
  const present = kernel.links("host");
  const names = new Map(present.map(({ index, name }) => [index, name]));
  const tunnels = present.filter(({ name }) => links.includes(name));
  const ours = new Set(tunnels.map(({ index }) => index));
  const entries =
    ours.size === 0 ? [] : [AF_INET, AF_INET6, AF_BRIDGE].flatMap((family) => listNeighbours(socket, family));
  return [
    ...tunnels.flatMap((link) => linkOf(link, names)),
    ...tunnels.flatMap(({ index, name }) => listAddresses(socket, index).flatMap((found) => addressOf(found, name))),
    ...entries.filter(({ index }) => ours.has(index)).flatMap((found) => entryOf(found, names.get(found.index))),
    ...listAllRoutes(socket)
      .filter((route) => route.protocol === protocol && route.type === RTN_UNICAST)
      .flatMap((route) => routeOf(route, names)),
  ];
}

function linkOf({ name, address = "", mtu = 0, info }: KernelLink, names: ReadonlyMap<number, string>): LinkResource[] {
  const where = "host";
  if (info?.kind === "vxlan") {
    const { id = 0, port = 0, local, local6 } = info.vxlan ?? {};
    const from = local ?? local6 ?? "0.0.0.0";
    return [{ kind: "link", type: "vxlan", where, name, mac: address, mtu, vni: id, port, local: from }];
  }
  if (info?.kind !== "ipip" && info?.kind !== "sit") return [];
  const { local = "0.0.0.0", link = 0 } = info[info.kind] ?? {};
  return [{ kind: "link", type: info.kind, where, name, mtu, local, uplink: names.get(link) }];
}

/** The address, unless the kernel has given it to the link: a link-local one, or a sit link's own. */
function addressOf({ address, local = address, prefixLength, scope, flags = 0 }: Address, link: string): Resource[] {
  if (local === undefined || (flags & IFA_F_PERMANENT) === 0) return [];
  if (local.includes(":") && (scope !== RT_SCOPE_UNIVERSE || local.startsWith("::"))) return [];
  return [
    {
      kind: "address",
      where: "host",
      link,
      address: `${local}/${prefixLength}`,
      ...(local.includes(":") && (flags & IFA_F_NODAD) === 0 ? { duplicateDetection: true } : {}),
      ...((flags & IFA_F_NOPREFIXROUTE) !== 0 ? { noPrefixRoute: true } : {}),
    },
  ];
}

/** A neighbour or forwarding entry, where it was set and not learnt. */
export function entryOf(found: Neighbour, link: string | undefined): Resource[] {
  const { family, state, flags, destination, linkAddress: mac } = found;
  if (link === undefined || destination === undefined || mac === undefined || (state & NUD_PERMANENT) === 0) return [];
  if (family !== AF_BRIDGE) return [{ kind: "neighbour", where: "host", link, ip: destination, mac }];
  return (flags & NTF_SELF) === 0 ? [] : [{ kind: "forwarding", where: "host", link, mac, destination }];
}

/** A route, where the link that it leaves by is there. */
export function routeOf(route: Route, names: ReadonlyMap<number, string>): RouteResource[] {
  const link = names.get(route.outputIndex ?? 0);
  if (link === undefined) return [];
  const { gateway, preferredSource, priority, metrics, protocol, scope, family } = route;
  const table = route.table ?? route.table8;
  const usualPriority = family === AF_INET6 ? IPV6_PRIORITY : undefined;
  const usualScope = family === AF_INET6 || gateway !== undefined ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  return [
    {
      kind: "route",
      where: "host",
      link,
      destination: routeDestination(route),
      gateway,
      preferredSource,
      priority: priority === usualPriority ? undefined : priority,
      table: table === RT_TABLE_MAIN ? undefined : table,
      scope: scope === usualScope ? undefined : scope,
      mtu: metrics?.mtu,
      advmss: metrics?.advmss,
      onlink: (route.flags & RTNH_F_ONLINK) !== 0 || undefined,
      protocol,
    },
  ];
}
