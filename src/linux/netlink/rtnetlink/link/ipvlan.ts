/** The data of an ipvlan link. @see linux/if_link.h IFLA_IPVLAN_UNSPEC and below, ip-link(8) "IPVLAN and IPVTAP Type Support" */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { u16 } from "../../wire.ts";

/** @see linux/if_link.h enum ipvlan_mode */
export const IPVLAN_MODE_L2 = 0;
export const IPVLAN_MODE_L3 = 1;
export const IPVLAN_MODE_L3S = 2;

export interface IpvlanData extends WithUnknown {
  /** One for all links of a parent. */
  mode?: number;
  /** IPVLAN_F_: 1 for private, 2 for vepa. */
  flags?: number;
}

export const ipvlanData = attributes<IpvlanData>({
  mode: [1, u16],
  flags: [2, u16],
});
