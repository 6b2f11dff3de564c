/** Links (network interfaces). @see rtnetlink(7) RTM_NEWLINK, linux/if_link.h, ip-link(8) */

import { attributes, message, type WithUnknown } from "../../attributes.ts";
import { NetlinkError } from "../../error.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL, request } from "../../message.ts";
import type { NetlinkSocket } from "../../socket.ts";
import { i32, macAddress, type PlacedWire, string, struct, u8, u16, u32, wire } from "../../wire.ts";
import { type LinkInfo, linkInfo } from "./info.ts";

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
const RTM_GETLINK = 18;

/** Flags of an interface. @see linux/if.h */
export const IFF_UP = 0x1;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;

/** The state of operation. @see RFC 2863, linux/if.h IF_OPER_UP */
export const IF_OPER_UP = 6;

interface LinkHeader {
  family: number;
  /** ARPHRD_ type of the hardware. */
  hardware: number;
  index: number;
  flags: number;
  /** Which of the flags a request changes. */
  change: number;
}

interface LinkAttributes extends WithUnknown {
  address?: string;
  broadcast?: string;
  name?: string;
  mtu?: number;
  /** Index of the link below, or of a veth's other end. */
  link?: number;
  qdisc?: string;
  /** Index of the bridge or other master. */
  master?: number;
  transmitQueueLength?: number;
  operationalState?: number;
  linkMode?: number;
  info?: LinkInfo<Link>;
  /** A process whose network namespace the link moves to. */
  netnsPid?: number;
  alias?: string;
  group?: number;
  /** A descriptor of the network namespace that the link moves to, or is made in. */
  netnsFd?: number;
  promiscuity?: number;
  transmitQueues?: number;
  receiveQueues?: number;
  /** The id, in this namespace, of the one that `link` is in. */
  linkNetnsId?: number;
  /** The index that a link is to have in the namespace that it moves to. */
  newIndex?: number;
  /** The address that the hardware has; absent for a link without hardware. */
  permanentAddress?: string;
  /** RTEXT_FILTER_: what a request for links wants told besides, or left out. */
  extendedMask?: number;
}

/** A link as the kernel tells it; in a request all but what it sets may be missing. */
export type Link = Partial<LinkHeader> & LinkAttributes;

/** A link as the kernel tells it, with what it always tells. */
export type KernelLink = Link & LinkHeader & { name: string };

const header = struct<LinkHeader>(16, {
  family: [0, u8],
  hardware: [2, u16],
  index: [4, i32],
  flags: [8, u32],
  change: [12, u32],
});

const EMPTY_HEADER: LinkHeader = { family: 0, hardware: 0, index: 0, flags: 0, change: 0 };

/** The peer of a veth pair is a link message within a link message. */
const self = wire<Link>(
  (out, value) => linkMessage.write(out, value),
  (input, at, end) => linkMessage.readAt(input, at, end),
);

const linkAttributes = attributes<LinkAttributes>({
  address: [1, macAddress],
  broadcast: [2, macAddress],
  name: [3, string],
  mtu: [4, u32],
  link: [5, u32],
  qdisc: [6, string],
  master: [10, u32],
  transmitQueueLength: [13, u32],
  operationalState: [16, u8],
  linkMode: [17, u8],
  info: [18, linkInfo(self)],
  netnsPid: [19, u32],
  alias: [20, string],
  group: [27, u32],
  netnsFd: [28, u32],
  extendedMask: [29, u32],
  promiscuity: [30, u32],
  transmitQueues: [31, u32],
  receiveQueues: [32, u32],
  linkNetnsId: [37, i32],
  newIndex: [49, i32],
  permanentAddress: [54, macAddress],
});

const fullMessage = message(header, linkAttributes);

export const linkMessage: PlacedWire<Link> = wire<Link>(
  (out, link) => fullMessage.write(out, { ...EMPTY_HEADER, ...link }),
  (input, at, end) => fullMessage.readAt(input, at, end),
);

/** Leave out the counters, a fifth of the answer. @see linux/rtnetlink.h */
const RTEXT_FILTER_SKIP_STATS = 8;

/** Makes a link. The kernel answers EEXIST for a name in use. */
export function createLink(link: Link & { name: string }): NetlinkRequest {
  return request(`create link "${link.name}"`, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, linkMessage, link);
}

/** Changes a link, found by its index, or without one by its name. */
export function changeLink(link: Link): NetlinkRequest {
  return request(`change link ${describe(link)}`, RTM_NEWLINK, 0, linkMessage, link);
}

/** Sets flags of a link and leaves its other flags alone. */
export function changeLinkFlags(link: Link, set: number, clear = 0): NetlinkRequest {
  return changeLink({ ...link, flags: set, change: set | clear });
}

/**
 * Has the kernel act on a link's carrier now, which it does when it is asked for the link. Else a worker of its does, and
 * on a busy machine late: until then a bridge's port forwards nothing. The link itself, which is answered, is of no
 * interest. @see net/core/rtnetlink.c rtnl_getlink, net/core/link_watch.c
 */
export function settleCarrier(name: string): NetlinkRequest {
  const link = { name, extendedMask: RTEXT_FILTER_SKIP_STATS };
  return request(`settle the carrier of link "${name}"`, RTM_GETLINK, 0, linkMessage, link);
}

/** Deletes a link, found by its index, or without one by its name. */
export function deleteLink(link: Link): NetlinkRequest {
  return request(`delete link ${describe(link)}`, RTM_DELLINK, 0, linkMessage, link);
}

/**
 * Deletes all links of a group at once. The kernel waits for its readers once for all of them, where it would wait
 * some 20 ms for each if they were deleted one by one. It answers ENODEV when the group has none.
 */
export function deleteLinkGroup(group: number): NetlinkRequest {
  return request(`delete links of group ${group}`, RTM_DELLINK, 0, linkMessage, { group });
}

function describe(link: Link): string {
  return link.name === undefined ? `with index ${link.index}` : `"${link.name}"`;
}

/** The link of a name, or undefined. Throws NetlinkError. */
export function findLink(socket: NetlinkSocket, name: string): KernelLink | undefined {
  return getLink(socket, { name }, `look up link "${name}"`);
}

/** The link of an index, or undefined. Throws NetlinkError. */
export function findLinkByIndex(socket: NetlinkSocket, index: number): KernelLink | undefined {
  return getLink(socket, { index }, `look up link with index ${index}`);
}

function getLink(socket: NetlinkSocket, which: Link, operation: string): KernelLink | undefined {
  try {
    const { payload } = socket.get(
      request(operation, RTM_GETLINK, 0, linkMessage, { ...which, extendedMask: RTEXT_FILTER_SKIP_STATS }),
    );
    return decodeLink(payload);
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENODEV") return undefined;
    throw error;
  }
}

/** All links of the namespace. Throws NetlinkError. */
export function listLinks(socket: NetlinkSocket): KernelLink[] {
  return socket
    .dump(request("list links", RTM_GETLINK, 0, linkMessage, { extendedMask: RTEXT_FILTER_SKIP_STATS }))
    .map(({ payload }) => decodeLink(payload));
}

/** The link in the payload of an RTM_NEWLINK or RTM_DELLINK message. Throws DecodeError. */
export function decodeLink(payload: Uint8Array): KernelLink {
  return linkMessage.read(payload) as KernelLink;
}
