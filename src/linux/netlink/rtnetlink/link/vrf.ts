/** The data of a VRF link, and of a link that is in one. @see linux/if_link.h IFLA_VRF_TABLE, IFLA_VRF_PORT_TABLE, ip-link(8) "VRF Type Support" */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { u32 } from "../../wire.ts";

export interface VrfData extends WithUnknown {
  /** The routing table. */
  table?: number;
}

export const vrfData = attributes<VrfData>({ table: [1, u32] });

export interface VrfPortData extends WithUnknown {
  /** The routing table of its VRF. */
  table?: number;
}

export const vrfPortData = attributes<VrfPortData>({ table: [1, u32] });
