/** Links of the agent's, which are there as long as the node is: one that has become another is made anew. */

import type { TunnelLink, VxlanLink } from "../../core/plan.ts";
import {
  changeLink,
  createLink,
  deleteLink,
  type KernelLink,
  type Link,
} from "../../linux/netlink/rtnetlink/link/link.ts";
import type { Kernel } from "../kernel.ts";
import type { Undo } from "../resource.ts";
import { attempt, creationError, removeOwn } from "./type.ts";

/** Makes the link, in the place of `found` where that is one of ours that differs. Throws ConflictError, KernelFeatureError, NetlinkError. */
export function ensureMade(
  resource: VxlanLink | TunnelLink,
  found: KernelLink | undefined,
  info: NonNullable<Link["info"]>,
  feature: string,
  kernel: Kernel,
  undo: Undo,
): void {
  const { where, name, mac, mtu } = resource;
  if (found !== undefined) {
    kernel.forget(where, name);
    kernel.execute(where, deleteLink({ index: found.index, name }), "ENODEV");
  }
  const refusal = attempt(kernel, where, createLink({ name, address: mac, mtu, info }));
  if (refusal !== undefined) throw creationError(resource, feature, refusal);
  kernel.made(where, name);
  undo(() => removeOwn(resource, kernel));
}

/** Sets the MTU of a link that is right but for that. */
export function resize(
  { where, name, mtu }: VxlanLink | TunnelLink,
  found: KernelLink,
  kernel: Kernel,
  undo: Undo,
): void {
  if (found.mtu === mtu) return;
  const { index } = found;
  kernel.changed(where, name);
  kernel.post(where, changeLink({ index, name, mtu }), (error) => {
    if (error !== undefined) throw error;
    undo(() => kernel.execute(where, changeLink({ index, name, mtu: found.mtu }), "ENODEV"));
  });
}
