/** Route lookups as the kernel makes them for a packet of its own, or for one that has come in by a link. */

import { familyOf } from "../core/ip.ts";
import { AF_INET, AF_INET6 } from "../linux/libc.ts";
import { NetlinkError } from "../linux/netlink/error.ts";
import { request } from "../linux/netlink/message.ts";
import { type Route, RTN_LOCAL, RTN_UNICAST, routeMessage } from "../linux/netlink/rtnetlink/route.ts";
import type { NetlinkSocket } from "../linux/netlink/socket.ts";

const RTM_GETROUTE = 26;

export interface LookupQuestion {
  readonly destination: string;
  readonly source?: string;
  /** Index of the link that it comes in by. */
  readonly input?: number;
}

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
export function lookUp(socket: NetlinkSocket, { destination, source, input }: LookupQuestion): LookupAnswer {
  const family = familyOf(destination);
  const bits = family === 4 ? 32 : 128;
  const which: Route = {
    family: family === 4 ? AF_INET : AF_INET6,
    destinationLength: bits,
    sourceLength: source === undefined ? 0 : bits,
    tos: 0,
    table8: 0,
    protocol: 0,
    scope: 0,
    type: 0,
    flags: 0,
    destination,
    source,
    inputIndex: input,
  };
  try {
    const { payload } = socket.get(request(`look up route to ${destination}`, RTM_GETROUTE, 0, routeMessage, which));
    const { type, outputIndex, gateway } = routeMessage.read(payload);
    if (type !== RTN_UNICAST && type !== RTN_LOCAL) return { refusal: REFUSING_TYPES.get(type) ?? `type ${type}` };
    return { route: { outputIndex, gateway, local: type === RTN_LOCAL } };
  } catch (error) {
    if (error instanceof NetlinkError) return { refusal: error.code };
    throw error;
  }
}
