/** Drops the packet and answers its sender. @see enum nft_reject_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32, u8 } from "../../netlink/wire.ts";

export interface Reject extends WithUnknown {
  /** NFT_REJECT_ */
  type?: number;
  code?: number;
}

export const reject = attributes<Reject>({ type: [1, be32], code: [2, u8] });
