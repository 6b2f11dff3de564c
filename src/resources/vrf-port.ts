/**
 * Ports of VRFs.
 *
 * The kernel takes a link down and up when it becomes a port of a VRF, and again when it ceases to be one. IPv6
 * addresses and routes go on the way, unless a parameter keeps the addresses; so they are given back. The routes of the
 * main table are not, for those of a port are in its VRF's table.
 * @see drivers/net/vrf.c cycle_netdev
 */

import { ConflictError } from "../core/errors.ts";
import type { VrfPortResource } from "../core/plan.ts";
import { AF_INET6 } from "../linux/libc.ts";
import {
  type Address,
  addAddress,
  IFA_F_NODAD,
  IFA_F_PERMANENT,
  listAddresses,
} from "../linux/netlink/rtnetlink/address.ts";
import { changeLink, findLinkByIndex } from "../linux/netlink/rtnetlink/link/link.ts";
import {
  listAllRoutes,
  prependRoute,
  type Route,
  type RouteSpec,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_UNICAST,
  RTPROT_KERNEL,
  routeDestination,
} from "../linux/netlink/rtnetlink/route.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const vrfPort: ResourceKind<VrfPortResource> = {
  ensure(resource, kernel, undo) {
    const { where, link, vrf } = resource;
    const master = kernel.index(where, vrf);
    kernel.forget(where, link);
    const present = kernel.link(where, link)?.master;
    if (present === master) return;
    if (present !== undefined) {
      const other = findLinkByIndex(kernel.route(where), present)?.name ?? `link ${present}`;
      throw new ConflictError(`Cannot make "${link}" a port of VRF "${vrf}": it is one of "${other}"`);
    }
    undo(() => release(resource, kernel));
    moving(resource, kernel, master);
  },
  verify({ where, link, vrf }, kernel) {
    if (!kernel.has(where)) return ["the container's network namespace is gone"];
    const master = kernel.link(where, vrf)?.index;
    const isPort = master !== undefined && kernel.link(where, link)?.master === master;
    return isPort ? [] : [`"${link}" is not a port of VRF "${vrf}"`];
  },
  remove: release,
  describe: ({ where, link, vrf }, naming) => [commandIn(where, `ip link set dev ${link} master ${vrf}`, naming)],
  describeRemoval: ({ where, link }, naming) => [commandIn(where, `ip link set dev ${link} nomaster`, naming)],
  carrier: ({ where, link }) => ({ where, link }),
};

/** Nothing happens when it is no port of this VRF. */
function release(resource: VrfPortResource, kernel: Kernel): void {
  const { where, link, vrf } = resource;
  if (!kernel.has(where)) return;
  for (const name of [link, vrf]) kernel.forget(where, name);
  const master = kernel.link(where, vrf)?.index;
  if (master !== undefined && kernel.link(where, link)?.master === master) moving(resource, kernel, 0);
}

/** What a route or an address needs may be missing for another reason. */
const IMPOSSIBLE = ["EEXIST", "ENODEV", "ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EINVAL", "EADDRNOTAVAIL"];

/** Gives the link this master, or none for 0, and then again what the kernel drops of it on the way. */
function moving({ where, link, vrf }: VrfPortResource, kernel: Kernel, master: number): void {
  const index = kernel.index(where, link);
  const addresses = listAddresses(kernel.route(where), index).filter(isLasting);
  const own = kernel.link(where, vrf)?.info?.vrf?.table;
  const routes = listAllRoutes(kernel.route(where)).filter(
    (route) => route.outputIndex === index && isElsewhere(route, own),
  );
  const operation = `${master === 0 ? "release" : "make"} "${link}" ${master === 0 ? "from" : "a port of"} VRF "${vrf}"`;
  kernel.execute(where, { ...changeLink({ index, master }), operation });
  kernel.changed(where, link);
  for (const { local, address, prefixLength, flags = 0 } of addresses) {
    const ip = local ?? address;
    if (ip === undefined) continue;
    // It has been used already, so nobody else has it.
    const request = addAddress({ index, ip, prefixLength, flags: (flags & ~IFA_F_PERMANENT) | IFA_F_NODAD });
    kernel.execute(where, request, ...IMPOSSIBLE);
  }
  for (const route of routes) kernel.execute(where, prependRoute(toSpec(route)), ...IMPOSSIBLE);
}

/** An IPv6 address that somebody has given it for good. */
function isLasting({ family, flags = 0, scope }: Address): boolean {
  return family === AF_INET6 && (flags & IFA_F_PERMANENT) !== 0 && scope === RT_SCOPE_UNIVERSE;
}

/** Neither in a table that the kernel fills, nor made by it. */
function isElsewhere({ type, protocol, table, table8 }: Route, own: number | undefined): boolean {
  return (
    type === RTN_UNICAST &&
    protocol !== RTPROT_KERNEL &&
    ![RT_TABLE_LOCAL, RT_TABLE_MAIN, own].includes(table ?? table8)
  );
}

function toSpec(route: Route): RouteSpec {
  const { outputIndex, gateway, priority, preferredSource, scope, protocol, metrics, table, table8 } = route;
  const destination = routeDestination(route);
  const { mtu, advmss } = metrics ?? {};
  return {
    destination,
    ...{ outputIndex, gateway, priority, preferredSource, scope, protocol, mtu, advmss, table: table ?? table8 },
  };
}
