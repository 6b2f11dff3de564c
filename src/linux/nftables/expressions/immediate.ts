/** Loads bytes into a register, or a verdict into register 0, which ends the rule. @see enum nft_immediate_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32 } from "../../netlink/wire.ts";
import { type Data, data } from "../data.ts";

export interface Immediate extends WithUnknown {
  dreg?: number;
  data?: Data;
}

export const immediate = attributes<Immediate>({ dreg: [1, be32], data: [2, data] });
