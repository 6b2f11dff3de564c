/**
 * What a test needs of the kernel. Where the kernel that the tests run on lacks it, the vm suite runs the test, on one
 * that has it: it takes every test file that imports from here, and of it the tests with such a need.
 */

import { NetlinkError } from "../../src/linux/netlink/error.ts";
import { createLink, findLink, type Link } from "../../src/linux/netlink/rtnetlink/link/link.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../../src/linux/netlink/socket.ts";
import { closeNetns, createNamedNetns, deleteNamedNetns, inNetns } from "../../src/linux/netns.ts";
import type { KernelNeed } from "./needs.ts";

/** Kinds of links, as ip-link(8) names them. */
const LINK_KINDS = [
  ...(["bond", "bridge", "dummy", "geneve", "gre", "ifb", "ipip", "ipvlan", "macvlan", "netkit", "sit"] as const),
  ...(["veth", "vlan", "vrf", "vxlan", "wireguard"] as const),
];

export type LinkKind = (typeof LINK_KINDS)[number];

const known = new Map<string, boolean>();

/** A feature of the kernel by what it is called, and a trial of it, which is made once in a process. */
export function kernelFeature(name: string, works: () => boolean): KernelNeed {
  const need = () => {
    let has = known.get(name);
    if (has === undefined) {
      has = works();
      known.set(name, has);
    }
    return has ? undefined : `this kernel has no ${name}`;
  };
  return Object.assign(need, { feature: name });
}

/** Links of a kind. */
export function kernelLink(kind: LinkKind): KernelNeed {
  // A known kind that needs more, such as a link below it, is refused for that, not for its name.
  return kernelFeature(kind, () => tryLink({ name: "probe0", info: { kind } }) !== "EOPNOTSUPP");
}

/** Bridges that keep VLANs apart. */
export const bridgeVlanFiltering: KernelNeed = kernelFeature("VLAN filtering on bridges", () => {
  const bridge = { kind: "bridge", bridge: { vlanFiltering: true } };
  const made = tryLink({ name: "probe0", info: bridge });
  return typeof made !== "string" && made?.info?.bridge?.vlanFiltering === true;
});

/** Any kernel, the vm suite's as well: for the few tests that show that what runs on this kernel runs on that one. */
export const onBothKernels: KernelNeed = Object.assign(() => undefined, { feature: "both kernels" });

/** Which of the features above this kernel has, as far as this process may try. */
export function presentFeatures(): string[] {
  if (process.getuid?.() !== 0) return [];
  const needs = [...LINK_KINDS.map(kernelLink), bridgeVlanFiltering];
  return needs.filter((need) => need() === undefined).map(({ feature }) => feature);
}

/** The link as the kernel made it in a namespace that is gone afterwards, or the code of its refusal. */
function tryLink(link: Link & { name: string }): Link | string | undefined {
  const name = `tt-${process.pid}-probe`;
  const netns = createNamedNetns(name);
  try {
    return inNetns(netns, () => {
      const socket = new NetlinkSocket(NETLINK_ROUTE);
      try {
        socket.execute(createLink(link));
        return findLink(socket, link.name);
      } catch (error) {
        if (error instanceof NetlinkError) return error.code;
        throw error;
      } finally {
        socket.close();
      }
    });
  } finally {
    closeNetns(netns);
    deleteNamedNetns(name);
  }
}
