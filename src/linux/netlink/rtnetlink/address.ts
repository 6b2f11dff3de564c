/** Addresses of links. @see rtnetlink(7) RTM_NEWADDR, linux/if_addr.h, ip-address(8) */

import { familyOf } from "../../../core/ip.ts";
import { AF_INET, AF_INET6 } from "../../libc.ts";
import { attributes, message, type WithUnknown } from "../attributes.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL, request } from "../message.ts";
import type { NetlinkSocket } from "../socket.ts";
import { ipAddress, string, struct, u8, u32 } from "../wire.ts";

export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
const RTM_GETADDR = 22;

/** @see linux/if_addr.h */
export const IFA_F_NODAD = 0x02;
export const IFA_F_DADFAILED = 0x08;
export const IFA_F_TENTATIVE = 0x40;
export const IFA_F_PERMANENT = 0x80;
export const IFA_F_NOPREFIXROUTE = 0x200;

interface AddressHeader {
  family: number;
  prefixLength: number;
  /** The low eight bits of `flags`. */
  flags8: number;
  scope: number;
  index: number;
}

interface AddressAttributes extends WithUnknown {
  /** The address itself, or on a point-to-point link the other end's. */
  address?: string;
  /** The address itself; IPv6 has it only on point-to-point links. */
  local?: string;
  label?: string;
  broadcast?: string;
  flags?: number;
  metric?: number;
}

export type Address = AddressHeader & AddressAttributes;

const header = struct<AddressHeader>(8, {
  family: [0, u8],
  prefixLength: [1, u8],
  flags8: [2, u8],
  scope: [3, u8],
  index: [4, u32],
});

/** The order is that of iproute2: the local address before the peer's. */
export const addressMessage = message(
  header,
  attributes<AddressAttributes>({
    local: [2, ipAddress],
    address: [1, ipAddress],
    broadcast: [4, ipAddress],
    label: [3, string],
    flags: [8, u32],
    metric: [9, u32],
  }),
);

/** An address as a caller asks for it. */
export interface LinkAddress {
  /** Index of the link. */
  readonly index: number;
  readonly ip: string;
  readonly prefixLength: number;
  readonly broadcast?: string;
  /** IFA_F_ flags. */
  readonly flags?: number;
}

/** Adds an address. The kernel answers EEXIST when the link has it. */
export function addAddress(address: LinkAddress): NetlinkRequest {
  const operation = `add address ${address.ip}/${address.prefixLength}`;
  return request(operation, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, addressMessage, toMessage(address));
}

/** Deletes an address. The kernel answers EADDRNOTAVAIL when the link does not have it. */
export function deleteAddress(address: LinkAddress): NetlinkRequest {
  const operation = `delete address ${address.ip}/${address.prefixLength}`;
  return request(operation, RTM_DELADDR, 0, addressMessage, toMessage({ ...address, flags: 0 }));
}

function toMessage({ index, ip, prefixLength, broadcast, flags }: LinkAddress): Address {
  return {
    family: familyOf(ip) === 4 ? AF_INET : AF_INET6,
    prefixLength,
    flags8: 0,
    scope: 0,
    index,
    local: ip,
    address: ip,
    broadcast,
    flags: flags || undefined,
  };
}

/** The addresses of one link, of both families; of all links with index 0. Throws NetlinkError. */
export function listAddresses(socket: NetlinkSocket, index = 0): Address[] {
  // Asked for one link, the kernel does not report changes between two parts of its answer. @see net/ipv4/devinet.c inet_dump_ifaddr
  const ofLink = index === 0 ? undefined : socket.dumpInOnePart(list(index));
  const found = (ofLink ?? socket.dump(list(0))).map(({ payload }) => addressMessage.read(payload));
  return ofLink !== undefined || index === 0 ? found : found.filter((address) => address.index === index);
}

function list(index: number): NetlinkRequest {
  const which: Address = { family: 0, prefixLength: 0, flags8: 0, scope: 0, index };
  return request("list addresses", RTM_GETADDR, 0, addressMessage, which);
}
