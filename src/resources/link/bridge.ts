/** Bridges. */

import { KernelFeatureError } from "../../core/errors.ts";
import type { BridgeLink } from "../../core/plan.ts";
import type { NetlinkError } from "../../linux/netlink/error.ts";
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
    else if (vlanFiltering && !found.info?.bridge?.vlanFiltering) setFiltering(bridge, found.index, kernel, undo);
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
    if (error.code === "EOPNOTSUPP") throw lacking(`create bridge "${name}"`, vlanFiltering === true, error);
    // Another ADD was quicker.
    if (error.code !== "EEXIST") throw error;
  });
  kernel.flush();
  isOurKind(bridge, kernel.link(where, name));
}

/**
 * Networks without VLANs may have made the bridge; their ports are in VLAN 1, untagged, and so go on as before. On an
 * administrator's bridge, whose ports may carry tagged frames that nobody has told it of, this is not ours to change.
 */
function setFiltering({ where, name }: BridgeLink, index: number, kernel: Kernel, undo: Undo): void {
  const set = (on: boolean) => changeLink({ index, name, info: { kind: "bridge", bridge: { vlanFiltering: on } } });
  kernel.post(where, set(true), (error) => {
    if (error === undefined) return undo(() => kernel.execute(where, set(false), "ENODEV"));
    throw error.code === "EOPNOTSUPP" ? lacking(`set up bridge "${name}"`, true, error) : error;
  });
  kernel.flush();
}

function lacking(what: string, filtering: boolean, cause: NetlinkError): KernelFeatureError {
  const feature = filtering ? "CONFIG_BRIDGE_VLAN_FILTERING" : "CONFIG_BRIDGE";
  const words = filtering ? "VLAN filtering on bridges" : "bridges";
  return new KernelFeatureError(feature, `Cannot ${what}: this kernel has no ${words} (${feature})`, { cause });
}

function verifyBridge({ where, name, mac, vlanFiltering }: BridgeLink, kernel: Kernel): string[] {
  const found = kernel.link(where, name);
  if (found === undefined) return [`bridge "${name}" is gone`];
  if (found.info?.kind !== "bridge") return [`"${name}" is not a bridge`];
  const mixes = vlanFiltering && found.address === mac && !found.info.bridge?.vlanFiltering;
  return mixes ? [`bridge "${name}" does not filter VLANs`] : [];
}

/** A bridge that an administrator made, told by its MAC, stays; so does one that still has ports. */
function removeBridge({ where, name, mac }: BridgeLink, kernel: Kernel): void {
  kernel.kept?.deletions.now();
  kernel.forget(where, name);
  const found = kernel.link(where, name);
  if (found === undefined || found.info?.kind !== "bridge" || found.address !== mac) return;
  if (kernel.links(where).some((other) => other.master === found.index)) return;
  kernel.forget(where, name);
  kernel.execute(where, deleteLink({ index: found.index, name }), "ENODEV");
}
