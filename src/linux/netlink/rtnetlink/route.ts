/** Routes. @see rtnetlink(7) RTM_NEWROUTE, linux/rtnetlink.h struct rtmsg, ip-route(8) */

import { DecodeError } from "../../../core/errors.ts";
import { familyOf } from "../../../core/ip.ts";
import { AF_INET, AF_INET6 } from "../../libc.ts";
import { attributes, message, type WithUnknown } from "../attributes.ts";
import { NetlinkError } from "../error.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, request } from "../message.ts";
import type { NetlinkSocket, Reply } from "../socket.ts";
import { bytesIn, ipAddress, struct, u8, u16, u32, type Wire, wire } from "../wire.ts";

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;

/** @see linux/rtnetlink.h */
export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;
export const RTPROT_KERNEL = 2;
export const RTPROT_BOOT = 3;
export const RTPROT_STATIC = 4;
export const RTPROT_RA = 9;
export const RTPROT_BIRD = 12;
export const RTPROT_BGP = 186;
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
export const RT_SCOPE_HOST = 254;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTNH_F_ONLINK = 4;

interface RouteHeader {
  family: number;
  destinationLength: number;
  sourceLength: number;
  tos: number;
  /** The table where its number fits into a byte; RT_TABLE_COMPAT (252) where it does not. */
  table8: number;
  protocol: number;
  scope: number;
  type: number;
  flags: number;
}

interface RouteMetrics extends WithUnknown {
  mtu?: number;
  advmss?: number;
}

interface NextHopHeader {
  /** With what follows it. */
  length: number;
  flags: number;
  /** Its weight less one. */
  hops: number;
  outputIndex: number;
}

/** One way of a route that has several. */
export interface NextHop extends Omit<NextHopHeader, "length">, WithUnknown {
  gateway?: string;
}

interface RouteAttributes extends WithUnknown {
  /** Absent for a default route. */
  destination?: string;
  source?: string;
  inputIndex?: number;
  outputIndex?: number;
  gateway?: string;
  priority?: number;
  preferredSource?: string;
  metrics?: RouteMetrics;
  /** In place of one link and gateway. */
  nextHops?: readonly NextHop[];
  table?: number;
  mark?: number;
}

export type Route = RouteHeader & RouteAttributes;

const header = struct<RouteHeader>(12, {
  family: [0, u8],
  destinationLength: [1, u8],
  sourceLength: [2, u8],
  tos: [3, u8],
  table8: [4, u8],
  protocol: [5, u8],
  scope: [6, u8],
  type: [7, u8],
  flags: [8, u32],
});

/** @see linux/rtnetlink.h struct rtnexthop */
const nextHopHeader = struct<NextHopHeader>(8, {
  length: [0, u16],
  flags: [2, u8],
  hops: [3, u8],
  outputIndex: [4, u32],
});
const nextHopAttributes = attributes<Pick<NextHop, "gateway" | "unknown">>({ gateway: [5, ipAddress] });

const nextHops: Wire<readonly NextHop[]> = wire<readonly NextHop[]>(
  (out, hops) => {
    for (const { flags, hops: weight, outputIndex, ...more } of hops) {
      const start = out.length;
      nextHopHeader.write(out, { length: 0, flags, hops: weight, outputIndex });
      nextHopAttributes.write(out, more);
      out.view.setUint16(start, out.length - start, true);
      out.align(4);
    }
  },
  (input, at, end) => {
    const hops: NextHop[] = [];
    for (let next = at; next < end; ) {
      const { length, ...fixed } = nextHopHeader.readAt(input, next, end);
      if (length < nextHopHeader.size || length > end - next) {
        throw new DecodeError(`Truncated way of a route: length ${length} of ${end - next} left`);
      }
      hops.push({ ...fixed, ...nextHopAttributes.read(bytesIn(input, next + nextHopHeader.size, next + length)) });
      next += (length + 3) & ~3;
    }
    return hops;
  },
);

export const routeMessage = message(
  header,
  attributes<RouteAttributes>({
    destination: [1, ipAddress],
    source: [2, ipAddress],
    inputIndex: [3, u32],
    gateway: [5, ipAddress],
    outputIndex: [4, u32],
    priority: [6, u32],
    preferredSource: [7, ipAddress],
    metrics: [8, attributes<RouteMetrics>({ mtu: [2, u32], advmss: [8, u32] })],
    nextHops: [9, nextHops],
    table: [15, u32],
    mark: [16, u32],
  }),
);

/** A route as a caller asks for it. */
export interface RouteSpec {
  /** Destination in CIDR notation; `0.0.0.0/0` or `::/0` for a default route. */
  readonly destination: string;
  readonly gateway?: string;
  /** Index of the link it leaves by. */
  readonly outputIndex?: number;
  /** Also called metric. */
  readonly priority?: number;
  readonly preferredSource?: string;
  readonly mtu?: number;
  readonly advmss?: number;
  readonly table?: number;
  /** RT_SCOPE_; by default link scope for an IPv4 route without a gateway. */
  readonly scope?: number;
  readonly protocol?: number;
  /** The gateway is reachable on the link although no route says so. */
  readonly onlink?: boolean;
}

/** Adds a route. The kernel answers EEXIST when the table has one to that destination with that priority. */
export function addRoute(route: RouteSpec): NetlinkRequest {
  return request(`add ${name(route)}`, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, routeMessage, toMessage(route));
}

/**
 * Adds a route before others to that destination; IPv6 joins them to one route of several ways. The kernel answers
 * EEXIST only when the table has the very same.
 */
export function prependRoute(route: RouteSpec): NetlinkRequest {
  return request(`add ${name(route)}`, RTM_NEWROUTE, NLM_F_CREATE, routeMessage, toMessage(route));
}

/** Adds a route, or puts it in the place of one to that destination with that priority. */
export function replaceRoute(route: RouteSpec): NetlinkRequest {
  return request(`replace ${name(route)}`, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, routeMessage, toMessage(route));
}

/** Deletes a route. The kernel answers ESRCH when there is none that matches. */
export function deleteRoute(route: RouteSpec): NetlinkRequest {
  return request(`delete ${name(route)}`, RTM_DELROUTE, 0, routeMessage, toMessage(route));
}

function name({ destination, gateway }: RouteSpec): string {
  return gateway === undefined ? `route ${destination}` : `route ${destination} via ${gateway}`;
}

function toMessage(route: RouteSpec): Route {
  const family = familyOf(route.destination);
  const [address, length] = route.destination.split("/") as [string, string];
  const table = route.table ?? RT_TABLE_MAIN;
  const scopeless = family === 6 || route.gateway !== undefined;
  return {
    family: family === 4 ? AF_INET : AF_INET6,
    destinationLength: Number(length),
    sourceLength: 0,
    tos: 0,
    table8: table < 256 ? table : 252,
    protocol: route.protocol ?? RTPROT_BOOT,
    scope: route.scope ?? (scopeless ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK),
    type: RTN_UNICAST,
    flags: route.onlink ? RTNH_F_ONLINK : 0,
    destination: Number(length) === 0 ? undefined : address,
    gateway: route.gateway,
    outputIndex: route.outputIndex,
    priority: route.priority,
    preferredSource: route.preferredSource,
    metrics:
      route.mtu === undefined && route.advmss === undefined ? undefined : { mtu: route.mtu, advmss: route.advmss },
    table: table < 256 ? undefined : table,
  };
}

/**
 * The routes of one table, of both families; none where there is no such table. One that has several ways, as IPv6
 * makes of routes to one destination, is as many routes. Throws NetlinkError.
 */
export function listRoutes(socket: NetlinkSocket, table = RT_TABLE_MAIN): Route[] {
  return [AF_INET, AF_INET6].flatMap((family) => {
    const which: Route = {
      ...toMessage({ destination: "0.0.0.0/0", table }),
      family,
      type: 0,
      scope: 0,
      protocol: 0,
      table,
    };
    return dumpRoutes(socket, which)
      .map(({ payload }) => routeMessage.read(payload))
      .filter((route) => (route.table ?? route.table8) === table)
      .flatMap(waysOf);
  });
}

/** The routes of all tables, of both families, as {@link listRoutes} has them. Throws NetlinkError. */
export function listAllRoutes(socket: NetlinkSocket): Route[] {
  return [AF_INET, AF_INET6].flatMap((family) => {
    const which: Route = {
      ...toMessage({ destination: "0.0.0.0/0" }),
      family,
      table8: 0,
      type: 0,
      scope: 0,
      protocol: 0,
    };
    return dumpRoutes(socket, which)
      .map(({ payload }) => routeMessage.read(payload))
      .flatMap(waysOf);
  });
}

/**
 * A route as one for each of its ways. Each still has all of them, as a sign that what else it has is the first one's.
 */
export function waysOf(route: Route): Route[] {
  const { nextHops: ways, flags } = route;
  return (
    ways?.map((way) => ({
      ...route,
      gateway: way.gateway,
      outputIndex: way.outputIndex,
      flags: flags | way.flags,
    })) ?? [route]
  );
}

function dumpRoutes(socket: NetlinkSocket, which: Route): Reply[] {
  try {
    return socket.dump(request("list routes", RTM_GETROUTE, 0, routeMessage, which));
  } catch (error) {
    // A table comes with its first route: the kernel refuses to list one that does not exist.
    if (error instanceof NetlinkError && error.code === "ENOENT") return [];
    throw error;
  }
}

/**
 * The route by which packets to an address would leave, of type RTN_LOCAL for an address of this host; undefined where
 * the kernel knows none or is told to refuse. Throws NetlinkError.
 */
export function lookUpRoute(socket: NetlinkSocket, address: string): Route | undefined {
  try {
    return askRoute(socket, { destination: address });
  } catch (error) {
    // What the types unreachable, prohibit and blackhole stand for, and what there is without any route.
    if (error instanceof NetlinkError && NO_WAY.has(error.code)) return undefined;
    throw error;
  }
}

/** A packet: of this host where it does not come in by a link. */
export interface RouteQuestion {
  readonly destination: string;
  readonly source?: string;
  /** Index of the link that it comes in by. */
  readonly input?: number;
}

/** The route that a packet would take. Throws NetlinkError, also where the kernel refuses to send it. */
export function askRoute(socket: NetlinkSocket, { destination, source, input }: RouteQuestion): Route {
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
  const { payload } = socket.get(request(`look up route to ${destination}`, RTM_GETROUTE, 0, routeMessage, which));
  return routeMessage.read(payload);
}

const NO_WAY: ReadonlySet<string> = new Set(["ENETUNREACH", "EHOSTUNREACH", "EACCES", "EINVAL"]);

/** The destination of a route in CIDR notation. */
export function routeDestination(route: Route): string {
  return `${route.destination ?? (route.family === AF_INET ? "0.0.0.0" : "::")}/${route.destinationLength}`;
}
