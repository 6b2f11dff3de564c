/** Neighbours (ARP and NDP entries) and forwarding entries of bridges. @see rtnetlink(7) RTM_NEWNEIGH, linux/neighbour.h, ip-neighbour(8), bridge(8) */

import { familyOf } from "../../../core/ip.ts";
import { AF_BRIDGE, AF_INET, AF_INET6 } from "../../libc.ts";
import { attributes, message, type WithUnknown } from "../attributes.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_REPLACE, request } from "../message.ts";
import type { NetlinkSocket } from "../socket.ts";
import { be16, i32, ipAddress, macAddress, struct, u8, u16, u32 } from "../wire.ts";

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;

/** @see linux/neighbour.h */
export const NUD_REACHABLE = 0x02;
export const NUD_NOARP = 0x40;
export const NUD_PERMANENT = 0x80;
export const NTF_SELF = 0x02;
export const NTF_PROXY = 0x08;

interface NeighbourHeader {
  family: number;
  index: number;
  state: number;
  flags: number;
  type: number;
}

interface NeighbourAttributes extends WithUnknown {
  destination?: string;
  linkAddress?: string;
  vlan?: number;
  /** UDP port of a VXLAN peer. */
  port?: number;
  vni?: number;
  master?: number;
}

export type Neighbour = NeighbourHeader & NeighbourAttributes;

const header = struct<NeighbourHeader>(12, {
  family: [0, u8],
  index: [4, i32],
  state: [8, u16],
  flags: [10, u8],
  type: [11, u8],
});

export const neighbourMessage = message(
  header,
  attributes<NeighbourAttributes>({
    destination: [1, ipAddress],
    linkAddress: [2, macAddress],
    vlan: [5, u16],
    port: [6, be16],
    vni: [7, u32],
    master: [9, u32],
  }),
);

/** A neighbour as a caller asks for it: an IP address behind a link-layer address. */
export interface NeighbourSpec {
  /** Index of the link. */
  readonly index: number;
  readonly ip: string;
  readonly mac: string;
}

/** A forwarding entry as a caller asks for it: a link-layer address behind a tunnel's peer. */
export interface ForwardingSpec {
  /** Index of the link. */
  readonly index: number;
  readonly mac: string;
  readonly destination: string;
}

/** Sets a permanent neighbour entry. */
export function setNeighbour({ index, ip, mac }: NeighbourSpec): NetlinkRequest {
  const value = { ...empty(ipFamily(ip), index), state: NUD_PERMANENT, destination: ip, linkAddress: mac };
  return request(`set neighbour ${ip}`, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, neighbourMessage, value);
}

/** Deletes a neighbour entry. The kernel answers ENOENT when there is none. */
export function deleteNeighbour({ index, ip }: Omit<NeighbourSpec, "mac">): NetlinkRequest {
  const value = { ...empty(ipFamily(ip), index), destination: ip };
  return request(`delete neighbour ${ip}`, RTM_DELNEIGH, 0, neighbourMessage, value);
}

/** Sets a permanent entry of a tunnel's own forwarding table. The kernel answers EOPNOTSUPP for a zero or group address. */
export function setForwarding(entry: ForwardingSpec): NetlinkRequest {
  const operation = `set forwarding entry ${entry.mac}`;
  return request(operation, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, neighbourMessage, forwarding(entry));
}

/** Deletes an entry of a tunnel's own forwarding table. The kernel answers ENOENT when there is none. */
export function deleteForwarding(entry: ForwardingSpec): NetlinkRequest {
  return request(`delete forwarding entry ${entry.mac}`, RTM_DELNEIGH, 0, neighbourMessage, forwarding(entry));
}

function forwarding({ index, mac, destination }: ForwardingSpec): Neighbour {
  const state = NUD_NOARP | NUD_PERMANENT;
  return { ...empty(AF_BRIDGE, index), state, flags: NTF_SELF, linkAddress: mac, destination };
}

function empty(family: number, index: number): Neighbour {
  return { family, index, state: 0, flags: 0, type: 0 };
}

function ipFamily(ip: string): number {
  return familyOf(ip) === 4 ? AF_INET : AF_INET6;
}

/** The neighbours of one family: AF_INET, AF_INET6, or AF_BRIDGE for forwarding entries. Throws NetlinkError. */
export function listNeighbours(socket: NetlinkSocket, family: number): Neighbour[] {
  return socket
    .dump(request("list neighbours", RTM_GETNEIGH, 0, neighbourMessage, empty(family, 0)))
    .map(({ payload }) => neighbourMessage.read(payload));
}
