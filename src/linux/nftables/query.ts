/** Questions about one object. */

import { DecodeError } from "../../core/errors.ts";
import { NetlinkError } from "../netlink/error.ts";
import { NLM_F_ACK, request } from "../netlink/message.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import type { Wire } from "../netlink/wire.ts";

/** The kernel's answer to a question, or undefined when there is no such object. Throws NetlinkError. */
export function getIfExists<T>(
  socket: NetlinkSocket,
  operation: string,
  type: number,
  wire: Wire<T>,
  which: T,
): Uint8Array | undefined {
  return askIfExists(socket, operation, type, 0, wire, which);
}

/**
 * As {@link getIfExists}, for a question that the kernel leaves without any answer where there is no such object: it
 * is made to acknowledge. Throws NetlinkError.
 */
export function getIfAnswered<T>(
  socket: NetlinkSocket,
  operation: string,
  type: number,
  wire: Wire<T>,
  which: T,
): Uint8Array | undefined {
  try {
    return askIfExists(socket, operation, type, NLM_F_ACK, wire, which);
  } catch (error) {
    // An acknowledgement alone.
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function askIfExists<T>(
  socket: NetlinkSocket,
  operation: string,
  type: number,
  flags: number,
  wire: Wire<T>,
  which: T,
): Uint8Array | undefined {
  try {
    return socket.get(request(operation, type, flags, wire, which)).payload;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENOENT") return undefined;
    throw error;
  }
}
