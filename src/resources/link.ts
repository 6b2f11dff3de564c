/** Links that are made: bridges and veth pairs. */

import { ConflictError, type KernelError, KernelFeatureError, UnknownContainerError } from "../core/errors.ts";
import type { BridgeLink, LinkResource, VethLink } from "../core/plan.ts";
import { changeLink, createLink, deleteLink, type KernelLink } from "../linux/netlink/rtnetlink/link/link.ts";
import type { Kernel } from "./kernel.ts";
import { deleteHostLink } from "./link-deletion.ts";
import { commandIn, type ResourceKind, type Undo } from "./resource.ts";

export const link: ResourceKind<LinkResource> = {
  ensure: (resource, kernel, undo) =>
    resource.type === "bridge" ? ensureBridge(resource, kernel, undo) : ensureVeth(resource, kernel, undo),
  verify: (resource, kernel) =>
    resource.type === "bridge" ? verifyBridge(resource, kernel) : verifyVeth(resource, kernel),
  remove: (resource, kernel) =>
    resource.type === "bridge" ? removeBridge(resource, kernel) : removeVeth(resource, kernel),
  describe: (resource, naming) => {
    const mtu = resource.mtu === undefined ? "" : ` mtu ${resource.mtu}`;
    const head = `ip link add name ${resource.name} address ${resource.mac}${mtu}`;
    if (resource.type === "bridge") {
      return [
        commandIn(resource.where, `${head} type bridge${resource.vlanFiltering ? " vlan_filtering 1" : ""}`, naming),
      ];
    }
    const { peer, master } = resource;
    const port = master === undefined ? "" : ` master ${master}`;
    const netns = peer.where === "host" ? "" : ` netns ${naming.container}`;
    return [`${head}${port} type veth peer name ${peer.name} address ${peer.mac}${mtu}${netns}`];
  },
  describeRemoval: ({ where, name }, naming) => [commandIn(where, `ip link delete dev ${name}`, naming)],
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

/** Whether a link is there and of the resource's type; another type is a conflict. */
function isOurKind({ name, type }: LinkResource, found: KernelLink | undefined): boolean {
  if (found === undefined) return false;
  if (found.info?.kind === type) return true;
  throw new ConflictError(`"${name}" already exists but is not a ${type}`, {
    details: `It is ${found.info?.kind === undefined ? "a network card" : `of kind ${found.info.kind}`}.`,
  });
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

function ensureVeth(veth: VethLink, kernel: Kernel, undo: Undo): void {
  const { name, mac, mtu, master, peer } = veth;
  if (veth.shared && kernel.link("host", name) !== undefined) return;
  const netnsFd = peer.where === "host" ? undefined : containerFd(kernel);
  const request = createLink({
    name,
    address: mac,
    mtu,
    master: master === undefined ? undefined : kernel.index("host", master),
    info: { kind: "veth", veth: { peer: { name: peer.name, address: peer.mac, mtu, netnsFd } } },
  });
  kernel.post("host", request, (error) => {
    if (error === undefined) {
      kernel.made("host", name);
      kernel.made(peer.where ?? "container", peer.name);
      return undo(() => deleteHostLink(kernel, name));
    }
    // Another ADD was quicker.
    if (error.code === "EEXIST" && veth.shared) return;
    if (error.code === "EEXIST") throw vethConflict(veth, kernel, error);
    if (error.code === "EOPNOTSUPP") {
      throw new KernelFeatureError("CONFIG_VETH", "Cannot create a veth pair: this kernel has none (CONFIG_VETH)", {
        cause: error,
      });
    }
    throw error;
  });
}

function containerFd(kernel: Kernel): number {
  if (kernel.container === undefined) throw new UnknownContainerError("The container's network namespace is gone");
  return kernel.container.fd;
}

/** The kernel says EEXIST for either end. */
function vethConflict({ name, peer }: VethLink, kernel: Kernel, cause: KernelError): Error {
  const inContainer = kernel.link(peer.where ?? "container", peer.name) !== undefined;
  const what = inContainer ? `"${peer.name}" already exists in the container` : `"${name}" already exists in the host`;
  return new ConflictError(`Cannot create a veth pair: interface ${what}`, { cause });
}

function verifyVeth(veth: VethLink, kernel: Kernel): string[] {
  const { name, mac, mtu, master, peer } = veth;
  const host = kernel.link("host", name);
  if (host === undefined) return [`the host's end "${name}" of the veth pair is gone`];
  if (host.info?.kind !== "veth") return [`"${name}" is not a veth`];
  const findings: string[] = [];
  if (host.address !== mac) findings.push(`"${name}" has MAC ${host.address}, not ${mac}`);
  if (mtu !== undefined && host.mtu !== mtu) findings.push(`"${name}" has MTU ${host.mtu}, not ${mtu}`);
  if (master !== undefined && host.master !== kernel.link("host", master)?.index) {
    findings.push(`"${name}" is not a port of "${master}"`);
  }
  const where = peer.where ?? "container";
  if (!kernel.has(where)) return [...findings, "the container's network namespace is gone"];
  const end = kernel.link(where, peer.name);
  if (end === undefined) return [...findings, `interface "${peer.name}" is not in the ${where}`];
  if (end.info?.kind !== "veth" || host.link !== end.index || end.link !== host.index) {
    findings.push(`"${peer.name}" in the ${where} is not the other end of "${name}"`);
  }
  if (end.address !== peer.mac) findings.push(`"${peer.name}" has MAC ${end.address}, not ${peer.mac}`);
  return findings;
}

function removeVeth({ name }: VethLink, kernel: Kernel): void {
  deleteHostLink(kernel, name);
}
