/** Goes on with the rule when a register compares with bytes as it should. @see enum nft_cmp_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32 } from "../../netlink/wire.ts";
import { type Data, data } from "../data.ts";

export interface Cmp extends WithUnknown {
  sreg?: number;
  /** NFT_CMP_ */
  op?: number;
  data?: Data;
}

export const cmp = attributes<Cmp>({ sreg: [1, be32], op: [2, be32], data: [3, data] });
