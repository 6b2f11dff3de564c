/** Counts packets and bytes. @see enum nft_counter_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be64 } from "../../netlink/wire.ts";

export interface Counter extends WithUnknown {
  bytes?: bigint;
  packets?: bigint;
}

export const counter = attributes<Counter>({ bytes: [1, be64], packets: [2, be64] });
