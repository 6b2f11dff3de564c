/** Which route the kernel of a member would take: what `ip route get` says, from the table itself. */

import { cidrContains, parseCidr } from "../core/cidr.ts";
import { parseIp } from "../core/ip.ts";
import { listLinks } from "../linux/netlink/rtnetlink/link/link.ts";
import { listRoutes, type Route, routeDestination } from "../linux/netlink/rtnetlink/route.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../linux/netlink/socket.ts";
import { closeNetns, inNetns, namedNetnsPath, openNetns } from "../linux/netns.ts";

/** The route of the main table that an address matches, as ip-route(8) prints it; undefined without one. */
export function lookUpRoute(netnsName: string, address: string): string | undefined {
  const ip = parseIp(address);
  if (ip === undefined) throw new TypeError(`"${address}" is not an IP address`);
  const netns = openNetns(namedNetnsPath(netnsName));
  try {
    const socket = inNetns(netns, () => new NetlinkSocket(NETLINK_ROUTE));
    try {
      const matching = listRoutes(socket).filter((route) => {
        const prefix = parseCidr(routeDestination(route));
        return prefix !== undefined && cidrContains(prefix, ip);
      });
      // The longest prefix wins, and among equal ones the lowest metric.
      const [best] = matching.sort(
        (a, b) => b.destinationLength - a.destinationLength || (a.priority ?? 0) - (b.priority ?? 0),
      );
      return best === undefined ? undefined : formatRoute(best, socket);
    } finally {
      socket.close();
    }
  } finally {
    closeNetns(netns);
  }
}

function formatRoute(route: Route, socket: NetlinkSocket): string {
  const link = listLinks(socket).find(({ index }) => index === route.outputIndex)?.name ?? "?";
  const destination = route.destinationLength === 0 ? "default" : routeDestination(route);
  return `${destination}${route.gateway === undefined ? "" : ` via ${route.gateway}`} dev ${link}`;
}
