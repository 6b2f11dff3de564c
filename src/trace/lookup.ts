/** Route lookups as the kernel makes them for a packet of its own, or for one that has come in by a link. */

import { type Cidr, cidrContains, parseCidr } from "../core/cidr.ts";
import { parseIp } from "../core/ip.ts";
import { NetlinkError } from "../linux/netlink/error.ts";
import {
  askRoute,
  type Route,
  type RouteQuestion,
  RT_TABLE_MAIN,
  RTN_LOCAL,
  RTN_UNICAST,
  RTPROT_BGP,
  RTPROT_BIRD,
  routeDestination,
} from "../linux/netlink/rtnetlink/route.ts";
import type { NetlinkSocket } from "../linux/netlink/socket.ts";

export interface LookupAnswer {
  readonly route?: Pick<Route, "outputIndex" | "gateway"> & { readonly local: boolean };
  /** Why there is none: the errno's name, or the route's type. */
  readonly refusal?: string;
}

/** The types that send nothing. @see linux/rtnetlink.h enum rt_types */
const REFUSING_TYPES: ReadonlyMap<number, string> = new Map([
  [6, "blackhole"],
  [7, "unreachable"],
  [8, "prohibit"],
]);

/** What the kernel would do; its refusal is an answer, too. */
export function lookUp(socket: NetlinkSocket, question: RouteQuestion): LookupAnswer {
  try {
    const { type, outputIndex, gateway } = askRoute(socket, question);
    if (type !== RTN_UNICAST && type !== RTN_LOCAL) return { refusal: REFUSING_TYPES.get(type) ?? `type ${type}` };
    return { route: { outputIndex, gateway, local: type === RTN_LOCAL } };
  } catch (error) {
    if (error instanceof NetlinkError) return { refusal: error.code };
    throw error;
  }
}

/** Who writes routes that BGP has told of. @see linux/rtnetlink.h, and `protocol kernel` of BIRD */
const BGP: ReadonlySet<number> = new Set([RTPROT_BIRD, RTPROT_BGP]);

/** Whether the most specific of the main table's routes to an address is one that BGP has told of. */
export function isToldByBgp(routes: readonly Route[], address: string): boolean {
  const ip = parseIp(address);
  if (ip === undefined) return false;
  const leads = (route: Route) => cidrContains(parseCidr(routeDestination(route)) as Cidr, ip);
  const ways = routes.filter((route) => (route.table ?? route.table8) === RT_TABLE_MAIN && leads(route));
  const longest = Math.max(...ways.map(({ destinationLength }) => destinationLength));
  return ways.some(({ destinationLength, protocol }) => destinationLength === longest && BGP.has(protocol));
}
