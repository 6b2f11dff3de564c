/** The frame around every netlink message. @see netlink(7) struct nlmsghdr */

import { DecodeError } from "../../core/errors.ts";
import type { Wire, Writer } from "./wire.ts";

export const NLMSG_HEADER = 16;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;
/** Types below this one are the protocol's own. */
export const NLMSG_MIN_TYPE = 16;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_MULTI = 0x2;
export const NLM_F_ACK = 0x4;
export const NLM_F_ECHO = 0x8;
export const NLM_F_DUMP_INTR = 0x10;
/** Modifiers of a request that changes something. */
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** NLM_F_ROOT | NLM_F_MATCH: a request for all objects. */
export const NLM_F_DUMP = 0x300;
/** Flags of an acknowledgement: the request is not repeated in it; attributes follow. */
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;

/** One message to the kernel. */
export interface NetlinkRequest {
  /** What it does, for the error: `create link "veth0"`. */
  readonly operation: string;
  readonly type: number;
  /** Without NLM_F_REQUEST and NLM_F_ACK, which the socket adds. */
  readonly flags: number;
  /** Writes what follows the header. */
  write(out: Writer): void;
}

/** One message from the kernel. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Shared with the receive buffer: valid until the next receive. */
  readonly payload: Uint8Array;
}

/** A request with a body in a known format. */
export function request<T>(operation: string, type: number, flags: number, wire: Wire<T>, value: T): NetlinkRequest {
  return { operation, type, flags, write: (out) => wire.write(out, value) };
}

/** Writes a request as one message, aligned for the next; nothing of it stays when its value cannot be encoded. */
export function writeMessage(out: Writer, req: NetlinkRequest, flags: number, sequence: number): void {
  const start = out.reserve(NLMSG_HEADER);
  try {
    req.write(out);
  } catch (error) {
    out.truncate(start);
    throw error;
  }
  const view = out.view;
  view.setUint32(start, out.length - start, true);
  view.setUint16(start + 4, req.type, true);
  view.setUint16(start + 6, req.flags | flags, true);
  view.setUint32(start + 8, sequence, true);
  out.align(4);
}

/** The messages of one datagram. Throws DecodeError when one claims more than there is. */
export function readMessages(bytes: Uint8Array): NetlinkMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.length - at;
    const length = rest < NLMSG_HEADER ? 0 : view.getUint32(at, true);
    if (length < NLMSG_HEADER || length > rest) {
      throw new DecodeError(`Truncated netlink message at byte ${at}: length ${length} of ${rest} left`);
    }
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      payload: bytes.subarray(at + NLMSG_HEADER, at + length),
    });
    at += (length + 3) & ~3;
  }
  return messages;
}
