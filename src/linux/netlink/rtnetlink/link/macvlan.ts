/** The data of a macvlan link. @see linux/if_link.h IFLA_MACVLAN_UNSPEC and below, ip-link(8) "MACVLAN and MACVTAP Type Support" */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { u16, u32 } from "../../wire.ts";

/** @see linux/if_link.h enum macvlan_mode */
export const MACVLAN_MODE_PRIVATE = 1;
export const MACVLAN_MODE_VEPA = 2;
export const MACVLAN_MODE_BRIDGE = 4;
export const MACVLAN_MODE_PASSTHRU = 8;

export interface MacvlanData extends WithUnknown {
  mode?: number;
  /** MACVLAN_FLAG_, such as 1 for a passthru link that leaves its parent without promiscuous mode. */
  flags?: number;
  /** How many broadcast frames may wait for this link; the kernel takes the greatest of all links of a parent. */
  broadcastQueueLength?: number;
  /** Told only. */
  broadcastQueueLengthUsed?: number;
}

export const macvlanData = attributes<MacvlanData>({
  mode: [1, u32],
  flags: [2, u16],
  broadcastQueueLength: [7, u32],
  broadcastQueueLengthUsed: [8, u32],
});
