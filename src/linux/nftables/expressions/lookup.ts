/** Looks registers up in a set; in a map, loads what the element has into `dreg`. @see enum nft_lookup_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32, string } from "../../netlink/wire.ts";

export interface Lookup extends WithUnknown {
  sreg?: number;
  /** Register 0 takes a verdict. */
  dreg?: number;
  set?: string;
  /** Number of a set that is made in the same transaction. */
  setId?: number;
  /** NFT_LOOKUP_F_ */
  flags?: number;
}

export const lookup = attributes<Lookup>({
  sreg: [2, be32],
  dreg: [3, be32],
  set: [1, string],
  setId: [4, be32],
  flags: [5, be32],
});
