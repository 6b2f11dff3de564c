/** Filters of queueing disciplines. @see rtnetlink(7) RTM_NEWTFILTER, linux/pkt_cls.h, tc(8) */

import { attributes, message, type WithUnknown } from "../../attributes.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL, request } from "../../message.ts";
import type { NetlinkSocket } from "../../socket.ts";
import { bytes, encode, type PlacedWire, string, wire } from "../../wire.ts";
import { TC_H_CLSACT_INGRESS, type TcHeader, tcHeader } from "../traffic-control.ts";
import { TC_ACT_STOLEN, TCA_EGRESS_REDIR } from "./mirred.ts";
import { EVERYTHING, type U32Data, u32Data } from "./u32.ts";

export const RTM_NEWTFILTER = 44;
export const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;

/** Frames of all protocols. @see linux/if_ether.h */
export const ETH_P_ALL = 3;

interface FilterAttributes extends WithUnknown {
  /** As tc(8) names it: `u32` … */
  kind?: string;
  /** Data of a kind that has no field of its own below. */
  data?: Uint8Array;
  u32?: U32Data;
}

export type Filter = TcHeader & FilterAttributes;

interface RawFilter extends WithUnknown {
  kind?: string;
  data?: Uint8Array;
}

const rawMessage = message(tcHeader, attributes<RawFilter>({ kind: [1, string], data: [2, bytes] }));

/** The format of the data depends on the kind, so this is what a table alone cannot say. */
export const filterMessage: PlacedWire<Filter> = wire<Filter>(
  (out, { u32, ...raw }) => {
    if (u32 !== undefined) raw.data = encode(u32Data, u32);
    rawMessage.write(out, raw);
  },
  (input, at, end) => {
    const { data, ...known } = rawMessage.readAt(input, at, end);
    const filter: Filter = known;
    if (data === undefined) return filter;
    if (filter.kind === "u32") filter.u32 = u32Data.read(data);
    else filter.data = data;
    return filter;
  },
);

/** A filter that redirects all that a link receives, as a caller asks for it. */
export interface Redirect {
  /** Index of the link. */
  readonly index: number;
  /** Filters are asked in the order of their priorities, from 1. */
  readonly priority: number;
  /** Index of the link by which everything goes out instead. */
  readonly target: number;
}

/** Redirects all that a link receives. The kernel answers EINVAL when the link has no qdisc for it. */
export function addRedirect({ index, priority, target }: Redirect): NetlinkRequest {
  const parameters = {
    actionIndex: 0,
    capabilities: 0,
    action: TC_ACT_STOLEN,
    references: 0,
    bindings: 0,
    direction: TCA_EGRESS_REDIR,
    index: target,
  };
  const value: Filter = {
    ...header(index, priority),
    kind: "u32",
    u32: { selector: EVERYTHING, actions: [{ kind: "mirred", mirred: { parameters } }] },
  };
  return request("add filter", RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, filterMessage, value);
}

/** Deletes a filter that was listed. The kernel answers ENOENT when there is none. */
export function deleteFilter({ index, handle, parent, info, kind }: Filter): NetlinkRequest {
  const value = { family: 0, index, handle, parent, info, kind };
  return request("delete filter", RTM_DELTFILTER, 0, filterMessage, value);
}

/** The filters for what a link receives; none where it has no qdisc for them. Throws NetlinkError. */
export function listIngressFilters(socket: NetlinkSocket, index: number): Filter[] {
  return socket
    .dump(request("list filters", RTM_GETTFILTER, 0, filterMessage, { ...header(index, 0), info: 0 }))
    .map(({ payload }) => filterMessage.read(payload));
}

/** Whether a filter is asked about the packets of all protocols, with this priority; and not a hash table, which is listed too. */
export function isAsked({ u32, kind, info }: Filter, priority: number): boolean {
  return info === filterInfo(priority) && (kind !== "u32" || u32?.selector !== undefined);
}

/** Whether a filter redirects all packets to the link of this index, whatever it would do with them after that. */
export function isRedirect(filter: Filter, { priority, target }: Omit<Redirect, "index">): boolean {
  const { u32 } = filter;
  const key = u32?.selector?.keys[0];
  const mirred = u32?.actions?.[0]?.mirred?.parameters;
  return (
    isAsked(filter, priority) &&
    u32?.selector?.keys.length === 1 &&
    key?.mask === 0 &&
    mirred?.action === TC_ACT_STOLEN &&
    mirred.direction === TCA_EGRESS_REDIR &&
    mirred.index === target
  );
}

function header(index: number, priority: number): TcHeader {
  return { family: 0, index, handle: 0, parent: TC_H_CLSACT_INGRESS, info: filterInfo(priority) };
}

/** The priority, and the protocol in network order. */
function filterInfo(priority: number): number {
  return priority * 0x10000 + ((ETH_P_ALL & 0xff) << 8) + (ETH_P_ALL >> 8);
}
