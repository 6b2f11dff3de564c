/** Queueing disciplines of links. @see rtnetlink(7) RTM_NEWQDISC, linux/rtnetlink.h, tc(8) */

import { attributes, message, type WithUnknown } from "../../attributes.ts";
import { NetlinkError } from "../../error.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, request } from "../../message.ts";
import type { NetlinkSocket } from "../../socket.ts";
import { bytes, encode, type PlacedWire, string, wire } from "../../wire.ts";
import { qdiscHandle, TC_H_INGRESS, TC_H_ROOT, type TcHeader, tcHeader } from "../traffic-control.ts";
import { type TbfData, type TokenBucket, tbfData, tokenBucketData } from "./tbf.ts";

export const RTM_NEWQDISC = 36;
export const RTM_DELQDISC = 37;
const RTM_GETQDISC = 38;

interface QdiscAttributes extends WithUnknown {
  /** As tc(8) names it: `tbf`, `ingress` … */
  kind?: string;
  /** Data of a kind that has no field of its own below. */
  data?: Uint8Array;
  tbf?: TbfData;
}

export type Qdisc = TcHeader & QdiscAttributes;

interface RawQdisc extends WithUnknown {
  kind?: string;
  data?: Uint8Array;
}

const rawMessage = message(tcHeader, attributes<RawQdisc>({ kind: [1, string], data: [2, bytes] }));

/** The format of the data depends on the kind, so this is what a table alone cannot say. */
export const qdiscMessage: PlacedWire<Qdisc> = wire<Qdisc>(
  (out, { tbf, ...raw }) => {
    if (tbf !== undefined) raw.data = encode(tbfData, tbf);
    rawMessage.write(out, raw);
  },
  (input, at, end) => {
    const { data, ...known } = rawMessage.readAt(input, at, end);
    const qdisc: Qdisc = known;
    if (data === undefined) return qdisc;
    if (qdisc.kind === "tbf") qdisc.tbf = tbfData.read(data);
    else qdisc.data = data;
    return qdisc;
  },
);

/** The number by which tc(8) knows the discipline that stands for what a link receives. */
const INGRESS_MAJOR = 0xffff;

/** Makes a token bucket hold all that a link sends. The kernel answers EEXIST when a discipline was put there before. */
export function addTokenBucket(index: number, major: number, bucket: TokenBucket): NetlinkRequest {
  const value = { ...header(index, TC_H_ROOT, qdiscHandle(major)), kind: "tbf", tbf: tokenBucketData(bucket) };
  return request("add qdisc tbf", RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, qdiscMessage, value);
}

/** Makes filters for what a link receives possible. The kernel answers EEXIST where they are. */
export function addIngress(index: number): NetlinkRequest {
  const value = { ...header(index, TC_H_INGRESS, qdiscHandle(INGRESS_MAJOR)), kind: "ingress" };
  return request("add qdisc ingress", RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, qdiscMessage, value);
}

/** Deletes the discipline of a parent: TC_H_ROOT or TC_H_INGRESS. The kernel answers ENOENT or EINVAL when there is none. */
export function deleteQdisc(index: number, parent: number): NetlinkRequest {
  return request("delete qdisc", RTM_DELQDISC, 0, qdiscMessage, header(index, parent));
}

/** The discipline of a parent, TC_H_ROOT or TC_H_INGRESS, or undefined. Throws NetlinkError. */
export function findQdisc(socket: NetlinkSocket, index: number, parent: number): Qdisc | undefined {
  try {
    // Not a dump, which is of all links. Older kernels answer only to those who ask for an echo, and where nothing but
    // the kernel's own stand-in is, as on a link that is down, some answer nothing and some EINVAL.
    const get = request("look up qdisc", RTM_GETQDISC, NLM_F_ECHO, qdiscMessage, header(index, parent));
    const found = socket.find(get);
    return found && qdiscMessage.read(found.payload);
  } catch (error) {
    if (error instanceof NetlinkError && ["ENOENT", "EINVAL", "ENODEV"].includes(error.code)) return undefined;
    throw error;
  }
}

function header(index: number, parent: number, handle = 0): TcHeader {
  return { family: 0, index, handle, parent, info: 0 };
}
