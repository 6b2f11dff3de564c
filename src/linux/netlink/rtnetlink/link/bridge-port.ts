/** The settings of a bridge's port. @see linux/if_link.h IFLA_BRPORT_UNSPEC and below, bridge(8) "bridge link set" */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { bool8, u8, u16, u32 } from "../../wire.ts";

export interface BridgePortData extends WithUnknown {
  /** 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking. */
  state?: number;
  priority?: number;
  cost?: number;
  /** Send a frame back out of the port that it came in by. */
  hairpin?: boolean;
  guard?: boolean;
  rootBlock?: boolean;
  fastLeave?: boolean;
  learning?: boolean;
  unicastFlood?: boolean;
  proxyArp?: boolean;
  multicastFlood?: boolean;
  neighbourSuppression?: boolean;
  /** Frames pass only between this port and ports that are not isolated. */
  isolated?: boolean;
}

export const bridgePortData = attributes<BridgePortData>({
  state: [1, u8],
  priority: [2, u16],
  cost: [3, u32],
  hairpin: [4, bool8],
  guard: [5, bool8],
  rootBlock: [6, bool8],
  fastLeave: [7, bool8],
  learning: [8, bool8],
  unicastFlood: [9, bool8],
  proxyArp: [10, bool8],
  multicastFlood: [27, bool8],
  neighbourSuppression: [32, bool8],
  isolated: [33, bool8],
});
