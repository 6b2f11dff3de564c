/** Loads a property of the packet's connection, or with `sreg` sets it. @see enum nft_ct_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32, u8 } from "../../netlink/wire.ts";

export interface Ct extends WithUnknown {
  /** NFT_CT_ */
  key?: number;
  dreg?: number;
  direction?: number;
  sreg?: number;
}

export const ct = attributes<Ct>({ key: [2, be32], dreg: [1, be32], direction: [3, u8], sreg: [4, be32] });
