/** Questions about one object. */

import { NetlinkError } from "../netlink/error.ts";
import { request } from "../netlink/message.ts";
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
  try {
    return socket.get(request(operation, type, 0, wire, which)).payload;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENOENT") return undefined;
    throw error;
  }
}
