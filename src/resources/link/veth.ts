/** Veth pairs. */

import { ConflictError, type KernelError, KernelFeatureError } from "../../core/errors.ts";
import type { VethLink } from "../../core/plan.ts";
import { createLink } from "../../linux/netlink/rtnetlink/link/link.ts";
import type { Kernel } from "../kernel.ts";
import { deleteHostLink } from "../link-deletion.ts";
import type { Undo } from "../resource.ts";
import { containerFd, type LinkType, nameWords } from "./type.ts";

export const veth: LinkType<VethLink> = {
  ensure: ensureVeth,
  verify: verifyVeth,
  remove: removeVeth,
  describe: (resource, naming) => {
    const { mtu, peer, master } = resource;
    const port = master === undefined ? "" : ` master ${master}`;
    const size = mtu === undefined ? "" : ` mtu ${mtu}`;
    const netns = peer.where === "host" ? "" : ` netns ${naming.container}`;
    return [
      `ip link add ${nameWords(resource)}${port} type veth peer name ${peer.name} address ${peer.mac}${size}${netns}`,
    ];
  },
};

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
