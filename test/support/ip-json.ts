/**
 * What we decode, in the words of `ip -j -d` and `bridge -j`, to compare with what those print.
 *
 * Each function gives all fields that it knows, undefined where the object lacks them, so that {@link alike} compares
 * exactly those: a field that we fail to decode is a difference like one that we decode wrongly.
 */

import { AF_INET, AF_INET6 } from "../../src/linux/libc.ts";
import type { Address } from "../../src/linux/netlink/rtnetlink/address.ts";
import type { BridgePortData } from "../../src/linux/netlink/rtnetlink/link/bridge-port.ts";
import type { KernelLink } from "../../src/linux/netlink/rtnetlink/link/link.ts";
import type { Neighbour } from "../../src/linux/netlink/rtnetlink/neighbour.ts";
import type { Route } from "../../src/linux/netlink/rtnetlink/route.ts";
import type { Rule } from "../../src/linux/netlink/rtnetlink/rule.ts";

type Json = { readonly [key: string]: unknown };

/** Names of links by their index. */
export type LinkNames = ReadonlyMap<number, string>;

export function linkNames(links: readonly KernelLink[]): LinkNames {
  return new Map(links.map(({ index, name }) => [index, name]));
}

/** The fields of `printed` that `ours` has, also within objects. */
export function alike(printed: unknown, ours: Json): Json {
  const source = (printed ?? {}) as Json;
  return Object.fromEntries(
    Object.entries(ours).map(([key, value]) => {
      const nested = typeof value === "object" && value !== null && !Array.isArray(value);
      return [key, nested ? alike(source[key], value as Json) : source[key]];
    }),
  );
}

/** Flags as ip(8) names them; it leaves out RUNNING and says NO-CARRIER for its absence. @see linux/if.h */
const LINK_FLAGS: readonly (readonly [number, string])[] = [
  [0x8, "LOOPBACK"],
  [0x2, "BROADCAST"],
  [0x10, "POINTOPOINT"],
  [0x1000, "MULTICAST"],
  [0x80, "NOARP"],
  [0x200, "ALLMULTI"],
  [0x100, "PROMISC"],
  [0x400, "MASTER"],
  [0x800, "SLAVE"],
  [0x1, "UP"],
  [0x10000, "LOWER_UP"],
];
const IFF_UP = 0x1;
const IFF_RUNNING = 0x40;

const OPERATIONAL_STATES = ["UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"];
const PORT_STATES = ["disabled", "listening", "learning", "forwarding", "blocking"];

/** As `ip -j -d link show`. */
export function linkAsIp(link: KernelLink, names: LinkNames): Json {
  const { flags, info } = link;
  const otherEnd = link.linkNetnsId === undefined && link.link !== undefined && link.link !== link.index;
  const elsewhere = link.linkNetnsId !== undefined && link.linkNetnsId >= 0;
  return {
    ifindex: link.index,
    ifname: link.name,
    flags: [
      ...((flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) === 0 ? ["NO-CARRIER"] : []),
      ...LINK_FLAGS.flatMap(([bit, word]) => ((flags & bit) === 0 ? [] : [word])),
    ],
    mtu: link.mtu,
    qdisc: link.qdisc,
    master: link.master === undefined ? undefined : names.get(link.master),
    operstate: OPERATIONAL_STATES[link.operationalState ?? 0],
    linkmode: link.linkMode === 0 ? "DEFAULT" : "DORMANT",
    group: link.group === 0 ? "default" : String(link.group),
    txqlen: link.transmitQueueLength,
    address: link.address,
    broadcast: link.broadcast,
    link_index: elsewhere ? link.link : undefined,
    link: otherEnd ? names.get(link.link ?? 0) : undefined,
    link_netnsid: link.linkNetnsId,
    promiscuity: link.promiscuity,
    num_tx_queues: link.transmitQueues,
    num_rx_queues: link.receiveQueues,
    ifalias: link.alias,
    linkinfo: {
      info_kind: info?.kind,
      info_slave_kind: info?.portKind,
      ...dataAsIp(info),
      ...(info?.bridgePort === undefined ? {} : { info_slave_data: portAsIp(info.bridgePort) }),
    },
  };
}

type Info = NonNullable<KernelLink["info"]>;

function dataAsIp({ bridge, macvlan, ipvlan, vlan, vrf, tun }: Info = {}): Json {
  if (bridge !== undefined) return { info_data: bridgeAsIp(bridge) };
  if (macvlan !== undefined) {
    const { mode, broadcastQueueLength, broadcastQueueLengthUsed } = macvlan;
    const modes: Record<number, string> = { 1: "private", 2: "vepa", 4: "bridge", 8: "passthru" };
    return {
      info_data: { mode: modes[mode ?? 0], bcqueuelen: broadcastQueueLength, usedbcqueuelen: broadcastQueueLengthUsed },
    };
  }
  if (ipvlan !== undefined) return { info_data: { mode: ["l2", "l3", "l3s"][ipvlan.mode ?? -1] } };
  if (vlan !== undefined) {
    const protocols: Record<number, string> = { 33024: "802.1Q", 34984: "802.1ad" };
    return { info_data: { id: vlan.id, protocol: protocols[vlan.protocol ?? 0] } };
  }
  if (tun !== undefined) {
    const { type, packetInformation, virtioHeader, multiQueue, persistent } = tun;
    const flags = { pi: packetInformation, vnet_hdr: virtioHeader, multi_queue: multiQueue, persist: persistent };
    return { info_data: { type: { 1: "tun", 2: "tap" }[type ?? 0], ...flags } };
  }
  return vrf === undefined ? {} : { info_data: { table: vrf.table } };
}

function bridgeAsIp(bridge: NonNullable<Info["bridge"]>): Json {
  return {
    forward_delay: bridge.forwardDelay,
    hello_time: bridge.helloTime,
    max_age: bridge.maxAge,
    ageing_time: bridge.ageingTime,
    stp_state: bridge.stpState,
    priority: bridge.priority,
    vlan_filtering: asNumber(bridge.vlanFiltering),
    vlan_protocol: bridge.vlanProtocol === undefined ? undefined : { 33024: "802.1Q" }[bridge.vlanProtocol],
    vlan_default_pvid: bridge.vlanDefaultPvid,
    mcast_snooping: asNumber(bridge.multicastSnooping),
  };
}

function asNumber(value: boolean | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

function portAsIp(port: BridgePortData): Json {
  return {
    state: PORT_STATES[port.state ?? -1],
    priority: port.priority,
    cost: port.cost,
    hairpin: port.hairpin,
    guard: port.guard,
    root_block: port.rootBlock,
    fastleave: port.fastLeave,
    learning: port.learning,
    flood: port.unicastFlood,
    proxy_arp: port.proxyArp,
    mcast_flood: port.multicastFlood,
    neigh_suppress: port.neighbourSuppression,
    isolated: port.isolated,
  };
}

const SCOPES: Readonly<Record<number, string>> = { 0: "global", 200: "site", 253: "link", 254: "host" };

/** As one entry of `addr_info` of `ip -j address show`. */
export function addressAsIp(address: Address): Json {
  const flags = address.flags ?? address.flags8;
  return {
    family: address.family === AF_INET ? "inet" : "inet6",
    local: address.local ?? address.address,
    // The other end's, where it differs.
    address: address.local === undefined || address.local === address.address ? undefined : address.address,
    prefixlen: address.prefixLength,
    broadcast: address.broadcast,
    scope: SCOPES[address.scope],
    label: address.label,
    nodad: (flags & 0x02) !== 0 ? true : undefined,
    tentative: (flags & 0x40) !== 0 ? true : undefined,
    dynamic: (flags & 0x80) === 0 ? true : undefined,
    metric: address.metric,
  };
}

const ROUTE_TYPES: Readonly<Record<number, string>> = { 2: "local", 3: "broadcast", 5: "multicast", 7: "unreachable" };
const TABLES: Readonly<Record<number, string>> = { 253: "default", 254: "main", 255: "local" };
const PROTOCOLS: Readonly<Record<number, string>> = { 2: "kernel", 4: "static" };

function tableName(table: number): string {
  return TABLES[table] ?? String(table);
}

/** As `ip -j route show table all`. */
export function routeAsIp(route: Route, names: LinkNames): Json {
  const whole = route.family === AF_INET ? 32 : 128;
  const table = route.table ?? route.table8;
  const destination = route.destination ?? "default";
  const plain = route.destination === undefined || route.destinationLength === whole;
  return {
    type: ROUTE_TYPES[route.type],
    dst: plain ? destination : `${destination}/${route.destinationLength}`,
    gateway: route.gateway,
    dev: route.outputIndex === undefined ? undefined : names.get(route.outputIndex),
    table: table === 254 ? undefined : tableName(table),
    protocol: PROTOCOLS[route.protocol],
    scope: route.family === AF_INET6 || route.scope === 0 ? undefined : SCOPES[route.scope],
    prefsrc: route.preferredSource,
    metric: route.priority,
    flags: (route.flags & 4) === 0 ? [] : ["onlink"],
    metrics: route.metrics === undefined ? undefined : [{ mtu: route.metrics.mtu, advmss: route.metrics.advmss }],
  };
}

const NEIGHBOUR_STATES: readonly (readonly [number, string])[] = [
  [0x01, "INCOMPLETE"],
  [0x02, "REACHABLE"],
  [0x04, "STALE"],
  [0x08, "DELAY"],
  [0x10, "PROBE"],
  [0x20, "FAILED"],
  [0x40, "NOARP"],
  [0x80, "PERMANENT"],
];

/** As `ip -j neighbour show nud all`. */
export function neighbourAsIp(neighbour: Neighbour, names: LinkNames): Json {
  return {
    dst: neighbour.destination,
    dev: names.get(neighbour.index),
    lladdr: neighbour.linkAddress,
    state: NEIGHBOUR_STATES.flatMap(([bit, word]) => ((neighbour.state & bit) === 0 ? [] : [word])),
  };
}

/** As `bridge -j fdb show`. */
export function forwardingAsBridge(entry: Neighbour, names: LinkNames): Json {
  const permanent = (entry.state & 0x80) !== 0;
  return {
    mac: entry.linkAddress,
    ifname: names.get(entry.index),
    dst: entry.destination,
    flags: (entry.flags & 0x02) !== 0 ? ["self"] : [],
    master: entry.master === undefined ? undefined : names.get(entry.master),
    state: permanent ? "permanent" : (entry.state & 0x40) !== 0 ? "static" : "",
  };
}

/** As `ip -j rule show`. */
export function ruleAsIp(rule: Rule): Json {
  const whole = rule.family === AF_INET ? 32 : 128;
  return {
    priority: rule.priority ?? 0,
    src: rule.source ?? "all",
    srclen: rule.source === undefined || rule.sourceLength === whole ? undefined : rule.sourceLength,
    dst: rule.destination,
    dstlen: rule.destination === undefined || rule.destinationLength === whole ? undefined : rule.destinationLength,
    fwmark: rule.mark === undefined ? undefined : `0x${rule.mark.toString(16)}`,
    fwmask: rule.markMask === undefined || rule.markMask === 0xffffffff ? undefined : `0x${rule.markMask.toString(16)}`,
    iif: rule.inputName,
    oif: rule.outputName,
    table: tableName(rule.table ?? rule.table8),
  };
}
