/** A place on a packet's way: a link of a namespace; and what is at its other end. */

import { familyOf } from "../core/ip.ts";
import type { KernelLink } from "../linux/netlink/rtnetlink/link/link.ts";
import { isListening } from "./listening.ts";
import type { View } from "./view.ts";

export interface At {
  readonly view: View;
  readonly link: KernelLink;
}

/** The other end of a pair, where it is in a namespace. */
export function peerOf({ view, link }: At, other: View): At | undefined {
  const peer = view.peerIn(other, link);
  return peer && { view: other, link: peer };
}

/** Whether who is asked by a link for an address would answer. */
export function answers({ view, link }: At, ip: string): boolean {
  const own = view.linkOf(ip);
  if (familyOf(ip) === 6) return own === link.name || view.sysctl(`net/ipv6/conf/${link.name}/proxy_ndp`) === "1";
  return own !== undefined || view.sysctl(`net/ipv4/conf/${link.name}/proxy_arp`) === "1";
}

export function isBridged(link: KernelLink, peer: KernelLink | undefined): boolean {
  return link.info?.kind === "bridge" || peer?.master !== undefined;
}

export function listens(view: View, address: string, port: number): boolean {
  return ["tcp", "tcp6"].some((table) => isListening(view.procNet(table), address, port));
}
