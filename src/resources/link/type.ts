/** What every type of link can do, and what they have in common. */

import { ConflictError, KernelFeatureError, UnknownContainerError } from "../../core/errors.ts";
import type { LinkResource, Where } from "../../core/plan.ts";
import type { NetlinkError } from "../../linux/netlink/error.ts";
import type { NetlinkRequest } from "../../linux/netlink/message.ts";
import { deleteLink, type KernelLink } from "../../linux/netlink/rtnetlink/link/link.ts";
import type { Kernel } from "../kernel.ts";
import { deleteHostLink } from "../link-deletion.ts";
import type { ResourceKind } from "../resource.ts";

/** Links of one type, as a kind of resource of their own. */
export type LinkType<L extends LinkResource> = Pick<ResourceKind<L>, "ensure" | "verify" | "remove" | "describe">;

/** Whether a link is there and of the resource's type; another type is a conflict. */
export function isOurKind({ name, type }: LinkResource, found: KernelLink | undefined): boolean {
  if (found === undefined) return false;
  if (found.info?.kind === type) return true;
  throw new ConflictError(`"${name}" already exists but is not a ${type}`, {
    details: `It is ${found.info?.kind === undefined ? "a network card" : `of kind ${found.info.kind}`}.`,
  });
}

/** Throws UnknownContainerError. */
export function containerFd(kernel: Kernel): number {
  if (kernel.container === undefined) throw new UnknownContainerError("The container's network namespace is gone");
  return kernel.container.fd;
}

/** Makes a change now and returns the kernel's refusal. */
export function attempt(kernel: Kernel, where: Where, request: NetlinkRequest): NetlinkError | undefined {
  let refusal: NetlinkError | undefined;
  kernel.post(where, request, (error) => {
    refusal = error;
  });
  kernel.flush();
  return refusal;
}

/** What a refusal to make a link means. `feature` is the symbol that the kernel is to be built with for its type. */
export function creationError({ where, name, type }: LinkResource, feature: string, cause: NetlinkError): Error {
  if (cause.code === "EOPNOTSUPP") {
    const message = `Cannot create ${type} "${name}": this kernel has no links of that kind (${feature})`;
    return new KernelFeatureError(feature, message, { cause });
  }
  if (cause.code !== "EEXIST") return cause;
  return new ConflictError(`Cannot create ${type} "${name}": it already exists in the ${where}`, { cause });
}

/** The link of a resource in `found`, or what is wrong: it or its namespace is gone, it is of another type. */
export function findOwn(
  { where, name, type }: LinkResource,
  kernel: Kernel,
): { readonly found: KernelLink } | { readonly finding: string } {
  if (!kernel.has(where)) return { finding: "the container's network namespace is gone" };
  const found = kernel.link(where, name);
  if (found === undefined) return { finding: `interface "${name}" is not in the ${where}` };
  const kind = found.info?.kind;
  if (kind !== type)
    return { finding: `"${name}" in the ${where} is of ${kind ? `kind ${kind}` : "no kind"}, not ${type}` };
  return { found };
}

/** In what the link differs from the values that are given. */
export function differences(
  { name, mac, mtu }: { readonly name: string; readonly mac?: string; readonly mtu?: number },
  found: KernelLink,
): string[] {
  return [
    ...(mac === undefined || found.address === mac ? [] : [`"${name}" has MAC ${found.address}, not ${mac}`]),
    ...(mtu === undefined || found.mtu === mtu ? [] : [`"${name}" has MTU ${found.mtu}, not ${mtu}`]),
  ];
}

/** Deletes the link if it is there and of the resource's type. */
export function removeOwn(resource: LinkResource, kernel: Kernel): void {
  const { where, name } = resource;
  const own = findOwn(resource, kernel);
  if (!("found" in own)) return;
  if (where === "host") {
    deleteHostLink(kernel, name);
    return;
  }
  kernel.forget(where, name);
  kernel.execute(where, deleteLink({ index: own.found.index, name }), "ENODEV");
}

/** How ip(8) is told the name, MAC and MTU of a link to come. */
export function nameWords({ name, mac, mtu }: { name: string; mac?: string; mtu?: number }): string {
  return `name ${name}${mac === undefined ? "" : ` address ${mac}`}${mtu === undefined ? "" : ` mtu ${mtu}`}`;
}
