/** Loads bytes of the packet into a register, or with `sreg` writes them. @see enum nft_payload_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be32 } from "../../netlink/wire.ts";

export interface Payload extends WithUnknown {
  dreg?: number;
  /** NFT_PAYLOAD_ header that `offset` counts from. */
  base?: number;
  /** In bytes, as is `length`. */
  offset?: number;
  length?: number;
  sreg?: number;
  checksumType?: number;
  checksumOffset?: number;
  checksumFlags?: number;
}

export const payload = attributes<Payload>({
  sreg: [5, be32],
  dreg: [1, be32],
  base: [2, be32],
  offset: [3, be32],
  length: [4, be32],
  checksumType: [6, be32],
  checksumOffset: [7, be32],
  checksumFlags: [8, be32],
});
