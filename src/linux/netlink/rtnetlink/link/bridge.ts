/** The data of a bridge. @see linux/if_link.h IFLA_BR_UNSPEC and below, ip-link(8) "Bridge Type Support" */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { be16, bool8, u16, u32 } from "../../wire.ts";

export interface BridgeData extends WithUnknown {
  /** Hundredths of a second. */
  forwardDelay?: number;
  /** Hundredths of a second. */
  helloTime?: number;
  /** Hundredths of a second. */
  maxAge?: number;
  /** Hundredths of a second. */
  ageingTime?: number;
  /** 0: off, 1: the kernel's, 2: a daemon's. */
  stpState?: number;
  priority?: number;
  vlanFiltering?: boolean;
  vlanProtocol?: number;
  multicastSnooping?: boolean;
  vlanDefaultPvid?: number;
}

export const bridgeData = attributes<BridgeData>({
  forwardDelay: [1, u32],
  helloTime: [2, u32],
  maxAge: [3, u32],
  ageingTime: [4, u32],
  stpState: [5, u32],
  priority: [6, u16],
  vlanFiltering: [7, bool8],
  vlanProtocol: [8, be16],
  multicastSnooping: [23, bool8],
  vlanDefaultPvid: [39, u16],
});
