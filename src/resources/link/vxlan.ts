/** VXLAN links: a node's end of the tunnels over UDP. */

import { ConflictError } from "../../core/errors.ts";
import { canonicalAddress, familyOf } from "../../core/ip.ts";
import type { VxlanLink } from "../../core/plan.ts";
import type { KernelLink, Link } from "../../linux/netlink/rtnetlink/link/link.ts";
import { commandIn } from "../resource.ts";
import { ensureMade, resize } from "./made.ts";
import { differences, findOwn, isOurKind, type LinkType, nameWords, removeOwn } from "./type.ts";

export const vxlan: LinkType<VxlanLink> = {
  ensure(resource, kernel, undo) {
    const found = kernel.link(resource.where, resource.name);
    if (isOurs(resource, found) && found !== undefined && ends(resource, found).length === 0) {
      resize(resource, found, kernel, undo);
      return;
    }
    ensureMade(resource, found, info(resource), "CONFIG_VXLAN", kernel, undo);
  },
  verify(resource, kernel) {
    const own = findOwn(resource, kernel);
    return "finding" in own ? [own.finding] : [...differences(resource, own.found), ...ends(resource, own.found)];
  },
  remove(resource, kernel) {
    kernel.forget(resource.where, resource.name);
    const own = findOwn(resource, kernel);
    if ("found" in own && own.found.address === resource.mac) removeOwn(resource, kernel);
  },
  describe(resource, naming) {
    const { vni, port, local } = resource;
    const words = `type vxlan id ${vni} local ${local} dstport ${port} nolearning`;
    return [commandIn(resource.where, `ip link add ${nameWords(resource)} ${words}`, naming)];
  },
};

function info({ vni, port, local }: VxlanLink): NonNullable<Link["info"]> {
  const address = familyOf(local) === 4 ? { local } : { local6: local };
  return { kind: "vxlan", vxlan: { id: vni, port, learning: false, ...address } };
}

/** Whether it is there with the MAC that we give it; with another it is somebody else's, which is a conflict. */
function isOurs(resource: VxlanLink, found: KernelLink | undefined): boolean {
  if (!isOurKind(resource, found)) return false;
  if (found?.address === resource.mac) return true;
  throw new ConflictError(`vxlan "${resource.name}" already exists with MAC ${found?.address}, not ${resource.mac}`, {
    details: `Delete it, if nothing else needs it: ip link delete dev ${resource.name}`,
  });
}

/** In what it differs that cannot be changed as long as it lives. */
function ends({ name, vni, port, local }: VxlanLink, { info: found }: KernelLink): string[] {
  const data = found?.vxlan;
  const from = data?.local ?? data?.local6 ?? "no address";
  return [
    ...(data?.id === vni ? [] : [`"${name}" has VNI ${data?.id}, not ${vni}`]),
    ...(data?.port === port ? [] : [`"${name}" has UDP port ${data?.port}, not ${port}`]),
    ...(from === canonicalAddress(local) ? [] : [`"${name}" sends from ${from}, not ${local}`]),
    ...(data?.learning ? [`"${name}" learns from what comes in`] : []),
  ];
}
