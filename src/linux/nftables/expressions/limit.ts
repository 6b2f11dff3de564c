/** Goes on with the rule while, or with a flag once no longer, a rate is kept. @see enum nft_limit_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32, be64 } from "../../netlink/wire.ts";

export interface Limit extends WithUnknown {
  /** For each `unit`, which is in seconds. */
  rate?: bigint;
  unit?: bigint;
  burst?: number;
  /** NFT_LIMIT_ */
  type?: number;
  /** NFT_LIMIT_F_ */
  flags?: number;
}

export const limit = attributes<Limit>({
  rate: [1, be64],
  unit: [2, be64],
  burst: [3, be32],
  type: [4, be32],
  flags: [5, be32],
});
