/** Loads what the kernel knows about a packet, such as its link, or with `sreg` sets it. @see enum nft_meta_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32 } from "../../netlink/wire.ts";

export interface Meta extends WithUnknown {
  /** NFT_META_ */
  key?: number;
  dreg?: number;
  sreg?: number;
}

export const meta = attributes<Meta>({ key: [2, be32], dreg: [1, be32], sreg: [3, be32] });
