/** Writes a line into the kernel's log, or sends the packet to a group of listeners. @see enum nft_log_attributes */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";
import { be16, be32, string } from "../../netlink/wire.ts";

export interface Log extends WithUnknown {
  prefix?: string;
  group?: number;
  snaplen?: number;
  queueThreshold?: number;
  /** NFT_LOGLEVEL_ */
  level?: number;
  flags?: number;
}

export const log = attributes<Log>({
  prefix: [2, string],
  group: [1, be16],
  snaplen: [3, be32],
  queueThreshold: [4, be16],
  level: [5, be32],
  flags: [6, be32],
});
