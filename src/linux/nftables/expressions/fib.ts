/** Asks the routing table about one of the packet's addresses. @see enum nft_fib_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32 } from "../../netlink/wire.ts";

export interface Fib extends WithUnknown {
  /** NFTA_FIB_F_: which address, and what else is taken into account. */
  flags?: number;
  /** NFT_FIB_RESULT_ */
  result?: number;
  dreg?: number;
}

export const fib = attributes<Fib>({ flags: [3, be32], result: [2, be32], dreg: [1, be32] });
