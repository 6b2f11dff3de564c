/** A test by a module of iptables, as `iptables -m` names it. @see enum nft_match_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32, bytes, string, struct, u8, u32 } from "../../netlink/wire.ts";

export interface Match extends WithUnknown {
  name?: string;
  revision?: number;
  /** The module's own struct, in the host's order. */
  info?: Uint8Array;
}

export const match = attributes<Match>({ name: [1, string], revision: [2, be32], info: [3, bytes] });

/** Whether the bits of `mask` in the packet's mark are these. Revision 1 of "mark". */
export interface MarkInfo {
  mark: number;
  mask: number;
  /** 1 when they must not be. */
  invert: number;
}

/** Padded to eight bytes, as iptables does. @see linux/netfilter/xt_mark.h struct xt_mark_mtinfo1 */
export const markInfo = struct<MarkInfo>(16, { mark: [0, u32], mask: [4, u32], invert: [8, u8] });
