/** The data of a veth pair: its other end, which is a link message of its own. @see linux/veth.h, veth(4) */

import { attributes, type WithUnknown } from "../../attributes.ts";
import type { Wire } from "../../wire.ts";

export interface VethData<Link> extends WithUnknown {
  /** Given at creation only; the kernel does not dump it. */
  peer?: Link;
}

/** @see linux/veth.h VETH_INFO_PEER */
const VETH_INFO_PEER = 1;

/** The format for peers of this link format. */
export function vethData<Link>(link: Wire<Link>): Wire<VethData<Link>> {
  return attributes<VethData<Link>>({ peer: [VETH_INFO_PEER, link as Wire<NonNullable<Link>>] });
}
