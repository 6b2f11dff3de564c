/** Rewrites the source or the destination to what registers hold. @see enum nft_nat_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32 } from "../../netlink/wire.ts";

export interface Nat extends WithUnknown {
  /** NFT_NAT_ */
  type?: number;
  /** NFPROTO_ of the addresses. */
  family?: number;
  addressMin?: number;
  addressMax?: number;
  portMin?: number;
  portMax?: number;
  /** NF_NAT_RANGE_ */
  flags?: number;
}

export const nat = attributes<Nat>({
  type: [1, be32],
  family: [2, be32],
  addressMin: [3, be32],
  addressMax: [4, be32],
  portMin: [5, be32],
  portMax: [6, be32],
  flags: [7, be32],
});
