/** Rewrites the destination to this host. @see enum nft_redir_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32 } from "../../netlink/wire.ts";

export interface Redir extends WithUnknown {
  /** Registers that hold the ports to choose from. */
  portMin?: number;
  portMax?: number;
  /** NF_NAT_RANGE_ */
  flags?: number;
}

export const redir = attributes<Redir>({ portMin: [1, be32], portMax: [2, be32], flags: [3, be32] });
