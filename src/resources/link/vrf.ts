/** VRFs: routing domains, each with a table of its own. */

import { ConflictError } from "../../core/errors.ts";
import type { VrfLink } from "../../core/plan.ts";
import { createLink, type KernelLink } from "../../linux/netlink/rtnetlink/link/link.ts";
import type { Kernel } from "../kernel.ts";
import { commandIn } from "../resource.ts";
import {
  attempt,
  creationError,
  differences,
  findOwn,
  isOurKind,
  type LinkType,
  nameWords,
  removeOwn,
} from "./type.ts";

export const vrf: LinkType<VrfLink> = {
  ensure(resource, kernel, undo) {
    const { where, name, mac, table } = resource;
    if (hasTable(resource, kernel.link(where, name))) return;
    const refusal = attempt(kernel, where, createLink({ name, address: mac, info: { kind: "vrf", vrf: { table } } }));
    if (refusal === undefined) {
      kernel.made(where, name);
      undo(() => removeUnused(resource, kernel));
      return;
    }
    // Another ADD was quicker.
    if (refusal.code === "EEXIST" && hasTable(resource, kernel.link(where, name))) return;
    throw creationError(resource, "CONFIG_NET_VRF", refusal);
  },
  verify(resource, kernel) {
    const own = findOwn(resource, kernel);
    if ("finding" in own) return [own.finding];
    const found = own.found.info?.vrf?.table;
    const findings = differences(resource, own.found);
    return found === resource.table
      ? findings
      : [...findings, `VRF "${resource.name}" has table ${found}, not ${resource.table}`];
  },
  remove: removeUnused,
  describe: (resource, naming) => [
    commandIn(resource.where, `ip link add ${nameWords(resource)} type vrf table ${resource.table}`, naming),
  ],
};

/** Whether it is there as it should be; another kind or table is a conflict. */
function hasTable(resource: VrfLink, found: KernelLink | undefined): boolean {
  if (found === undefined || !isOurKind(resource, found)) return false;
  const table = found.info?.vrf?.table;
  if (table === resource.table) return true;
  throw new ConflictError(`VRF "${resource.name}" already exists with table ${table}, not ${resource.table}`);
}

/** One that still has ports stays: it serves them too. */
function removeUnused(resource: VrfLink, kernel: Kernel): void {
  const { where, name } = resource;
  kernel.kept?.deletions.now();
  kernel.forget(where, name);
  const own = findOwn(resource, kernel);
  if (!("found" in own) || kernel.links(where).some(({ master }) => master === own.found.index)) return;
  removeOwn(resource, kernel);
}
