/** The numbers by which a network namespace knows others. @see linux/net_namespace.h, ip-netns(8) "set" */

import { attributes, message, type WithUnknown } from "../linux/netlink/attributes.ts";
import { request } from "../linux/netlink/message.ts";
import type { NetlinkSocket } from "../linux/netlink/socket.ts";
import { i32, struct, u8, u32 } from "../linux/netlink/wire.ts";

const RTM_GETNSID = 90;

interface NsidAttributes extends WithUnknown {
  nsid?: number;
  /** A descriptor of the namespace that is asked about. */
  fd?: number;
}

const header = struct<{ family: number }>(4, { family: [0, u8] });

const nsidMessage = message(header, attributes<NsidAttributes>({ nsid: [1, i32], fd: [3, u32] }));

/** Negative for one that the socket's namespace has no number for. Throws NetlinkError. */
export function namespaceNumber(socket: NetlinkSocket, fd: number): number {
  const asked = request("look up a network namespace", RTM_GETNSID, 0, nsidMessage, { family: 0, fd });
  return nsidMessage.read(socket.get(asked).payload).nsid ?? -1;
}
