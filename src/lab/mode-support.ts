/** Whether this machine's kernel and programs can do a lab's mode: asked before agents are started that would fail. */

import { KernelError, KernelFeatureError, TendrilError } from "../core/errors.ts";
import type { Family } from "../core/ip.ts";
import { createLink, deleteLink } from "../linux/netlink/rtnetlink/link/link.ts";
import type { Lab } from "./lab.ts";
import { withSocket } from "./link-state.ts";
import { netnsName, ROUTER } from "./names.ts";

const TRIAL = "trial";

/** The kinds of links that the tunnels of a mode are, by the family that they carry. */
const TUNNELS: Readonly<Record<"vxlan" | "ipip", Readonly<Record<Family, { kind: string; feature: string }>>>> = {
  vxlan: { 4: { kind: "vxlan", feature: "CONFIG_VXLAN" }, 6: { kind: "vxlan", feature: "CONFIG_VXLAN" } },
  ipip: { 4: { kind: "ipip", feature: "CONFIG_NET_IPIP" }, 6: { kind: "sit", feature: "CONFIG_IPV6_SIT" } },
};

/** Throws KernelFeatureError or TendrilError, which say what is missing and what to do, for a mode that cannot be. */
export function refuseMode(lab: Lab): void {
  const mode = lab.cluster?.mode;
  if (mode === "bgp" && Bun.which("bird", { PATH: process.env.PATH ?? "" }) === null) {
    throw new TendrilError('Mode "bgp" needs BIRD 2, and there is no program "bird" in PATH', {
      details: "Install BIRD 2 (package bird2), or use another mode.",
    });
  }
  if (mode !== "vxlan" && mode !== "ipip") return;
  for (const family of lab.families) {
    const { kind, feature } = TUNNELS[mode][family];
    if (canMake(netnsName(lab.name, ROUTER), kind)) continue;
    throw new KernelFeatureError(feature, `Mode "${mode}" needs links of kind ${kind}, which this kernel lacks`, {
      details: `It needs ${feature}. Another mode is named by --mode, such as ${mode === "vxlan" ? "host-gw" : "vxlan"}.`,
    });
  }
}

/** Whether the kernel makes links of a kind. A request without their data is refused, but in another way. */
function canMake(netnsNamed: string, kind: string): boolean {
  return withSocket(netnsNamed, (socket) => {
    try {
      socket.execute(createLink({ name: TRIAL, info: { kind } }));
      socket.execute(deleteLink({ name: TRIAL }));
      return true;
    } catch (error) {
      if (error instanceof KernelError) return error.code !== "EOPNOTSUPP";
      throw error;
    }
  });
}
