/** Rewrites the source to the address of the link that the packet leaves by. @see enum nft_masq_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32 } from "../../netlink/wire.ts";

export interface Masq extends WithUnknown {
  /** NF_NAT_RANGE_ */
  flags?: number;
  /** Registers that hold the ports to choose from. */
  portMin?: number;
  portMax?: number;
}

export const masq = attributes<Masq>({ flags: [1, be32], portMin: [2, be32], portMax: [3, be32] });
