/** Route lookups as the kernel makes them for a packet of its own, or for one that has come in by a link. */

import { NetlinkError } from "../linux/netlink/error.ts";
import { askRoute, type Route, type RouteQuestion, RTN_LOCAL, RTN_UNICAST } from "../linux/netlink/rtnetlink/route.ts";
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
