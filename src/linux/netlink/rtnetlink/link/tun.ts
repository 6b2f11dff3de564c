/** The data of a TUN or TAP device, which the kernel tells but does not take. @see linux/if_link.h IFLA_TUN_UNSPEC and below, ip-tuntap(8) */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { bool8, u8, u32 } from "../../wire.ts";

export interface TunData extends WithUnknown {
  /** The user that may open it; absent where everybody may who can. */
  owner?: number;
  group?: number;
  /** IFF_TUN or IFF_TAP. @see linux/if_tun.h */
  type?: number;
  packetInformation?: boolean;
  virtioHeader?: boolean;
  /** Stays when nobody has it open. */
  persistent?: boolean;
  multiQueue?: boolean;
  queues?: number;
  disabledQueues?: number;
}

export const tunData = attributes<TunData>({
  owner: [1, u32],
  group: [2, u32],
  type: [3, u8],
  packetInformation: [4, bool8],
  virtioHeader: [5, bool8],
  persistent: [6, bool8],
  multiQueue: [7, bool8],
  queues: [8, u32],
  disabledQueues: [9, u32],
});
