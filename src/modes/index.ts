/** The modes by name. */

import type { ModeName } from "../core/cluster.ts";
import { bgp } from "./bgp.ts";
import { hostGateway } from "./host-gw.ts";
import { ipip } from "./ipip.ts";
import type { LocalNode, Mode, ModeSettings } from "./mode.ts";
import { underlayFamily } from "./reach.ts";
import { vxlan } from "./vxlan.ts";

export const modes: { readonly [K in ModeName]: Mode } = { "host-gw": hostGateway, vxlan, ipip, bgp };

/** How many bytes a pod's packet grows by on its way from this node to others. */
export function overheadOf(local: Pick<LocalNode, "addresses">, settings: ModeSettings): number {
  return modes[settings.mode].overhead(underlayFamily(local), settings);
}
