/** The data of a VLAN link. @see linux/if_link.h IFLA_VLAN_UNSPEC and below, ip-link(8) "VLAN Type Support" */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { be16, struct, u16, u32 } from "../../wire.ts";

/** @see linux/if_link.h struct ifla_vlan_flags */
export interface VlanFlags {
  /** VLAN_FLAG_, such as 4 for a link that does not follow its parent's state. */
  flags: number;
  /** Which of the flags a request sets. */
  mask: number;
}

export interface VlanData extends WithUnknown {
  id?: number;
  flags?: VlanFlags;
  /** The Ethernet type of its tags; 802.1Q when absent. */
  protocol?: number;
}

export const vlanData = attributes<VlanData>({
  id: [1, u16],
  flags: [2, struct<VlanFlags>(8, { flags: [0, u32], mask: [4, u32] })],
  protocol: [5, be16],
});
