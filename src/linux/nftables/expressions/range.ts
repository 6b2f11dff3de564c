/** Goes on with the rule when a register is, or is not, between two values. @see enum nft_range_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32 } from "../../netlink/wire.ts";
import { type Data, data } from "../data.ts";

export interface Range extends WithUnknown {
  sreg?: number;
  /** NFT_RANGE_ */
  op?: number;
  from?: Data;
  to?: Data;
}

export const range = attributes<Range>({ sreg: [1, be32], op: [2, be32], from: [3, data], to: [4, data] });
