/** Bridges. */

import { KernelFeatureError } from "../../core/errors.ts";
import type { BridgeLink } from "../../core/plan.ts";
import { changeLink, createLink, deleteLink } from "../../linux/netlink/rtnetlink/link/link.ts";
import type { Kernel } from "../kernel.ts";
import { commandIn, type Undo } from "../resource.ts";
import { isOurKind, type LinkType, nameWords } from "./type.ts";

export const bridge: LinkType<BridgeLink> = {
  ensure: ensureBridge,
  verify: verifyBridge,
  remove: removeBridge,
  describe: (resource, naming) => [
    commandIn(
      resource.where,
      `ip link add ${nameWords(resource)} type bridge${resource.vlanFiltering ? " vlan_filtering 1" : ""}`,
      naming,
    ),
  ],
};

function ensureBridge(bridge: BridgeLink, kernel: Kernel, undo: Undo): void {
  const { where, name, mac, mtu, vlanFiltering } = bridge;
  const found = kernel.link(where, name);
  if (isOurKind(bridge, found)) {
    // One that an administrator made would take the lowest MAC of its ports, and change it as they come and go; to set
    // the one that it has makes it stay.
    if (found?.address !== mac) kernel.execute(where, changeLink({ index: found?.index, address: found?.address }));
    return;
  }
  const data = vlanFiltering ? { bridge: { vlanFiltering } } : {};
  const request = createLink({
    name,
    address: mac,
    mtu,
    info: { kind: "bridge", ...data },
  });
  kernel.post(where, request, (error) => {
    if (error === undefined) {
      kernel.made(where, name);
      return undo(() => removeBridge(bridge, kernel));
    }
    if (error.code === "EOPNOTSUPP") {
      const feature = vlanFiltering ? "CONFIG_BRIDGE_VLAN_FILTERING" : "CONFIG_BRIDGE";
      const lacking = vlanFiltering ? "VLAN filtering on bridges" : "bridges";
      throw new KernelFeatureError(
        feature,
        `Cannot create bridge "${name}": this kernel has no ${lacking} (${feature})`,
        {
          cause: error,
        },
      );
    }
    // Another ADD was quicker.
    if (error.code !== "EEXIST") throw error;
  });
  kernel.flush();
  isOurKind(bridge, kernel.link(where, name));
}

function verifyBridge({ where, name }: BridgeLink, kernel: Kernel): string[] {
  const found = kernel.link(where, name);
  if (found === undefined) return [`bridge "${name}" is gone`];
  return found.info?.kind === "bridge" ? [] : [`"${name}" is not a bridge`];
}

/** A bridge that an administrator made, told by its MAC, stays; so does one that still has ports. */
function removeBridge({ where, name, mac }: BridgeLink, kernel: Kernel): void {
  kernel.forget(where, name);
  const found = kernel.link(where, name);
  if (found === undefined || found.info?.kind !== "bridge" || found.address !== mac) return;
  if (kernel.links(where).some((other) => other.master === found.index)) return;
  kernel.forget(where, name);
  kernel.execute(where, deleteLink({ index: found.index, name }), "ENODEV");
}
