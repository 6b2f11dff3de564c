/** Turns numbers in a register from host to network order or back. @see enum nft_byteorder_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32 } from "../../netlink/wire.ts";

export interface Byteorder extends WithUnknown {
  sreg?: number;
  dreg?: number;
  /** NFT_BYTEORDER_ */
  op?: number;
  /** In bytes: of all, and of each number. */
  length?: number;
  size?: number;
}

export const byteorder = attributes<Byteorder>({
  sreg: [1, be32],
  dreg: [2, be32],
  op: [3, be32],
  length: [4, be32],
  size: [5, be32],
});
