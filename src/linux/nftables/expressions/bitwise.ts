/** Computes on a register: `dreg = (sreg & mask) ^ xor`, or a shift by `data`. @see enum nft_bitwise_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32 } from "../../netlink/wire.ts";
import { type Data, data } from "../data.ts";

export interface Bitwise extends WithUnknown {
  sreg?: number;
  dreg?: number;
  /** In bytes. */
  length?: number;
  mask?: Data;
  xor?: Data;
  /** NFT_BITWISE_; mask and xor where it is missing or 0. */
  op?: number;
  data?: Data;
}

export const bitwise = attributes<Bitwise>({
  sreg: [1, be32],
  dreg: [2, be32],
  op: [6, be32],
  length: [3, be32],
  mask: [4, data],
  xor: [5, data],
  data: [7, data],
});
