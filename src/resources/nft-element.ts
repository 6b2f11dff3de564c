/** One element of a set or map. Its comment names the owner, who alone removes it. */

import { ConflictError } from "../core/errors.ts";
import { ownerOf } from "../core/names.ts";
import type { NftElement } from "../core/nftables.ts";
import type { NftElementResource } from "../core/plan.ts";
import { NetlinkError } from "../linux/netlink/error.ts";
import type { NetlinkSocket } from "../linux/netlink/socket.ts";
import { commit, transactIfUnchanged } from "../linux/nftables/batch.ts";
import {
  createElements,
  deleteElements,
  findElement,
  type KernelElement,
  removeOwnElements,
} from "../linux/nftables/element.ts";
import { addElementCommand, deleteElementCommand } from "../linux/nftables/printer.ts";
import { sameElement } from "../linux/nftables/same.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const nftElement: ResourceKind<NftElementResource> = {
  ensure(resource, kernel, undo) {
    const { where, element, shared } = resource;
    const socket = kernel.netfilter(where);
    // A shared one is there most of the time, and a transaction that fails waits for the kernel's readers: some 20 ms.
    const present = shared ? findElement(socket, element) : undefined;
    if (present !== undefined && sameElement(element, present)) return;
    try {
      commit(socket, createElements([element]));
    } catch (error) {
      if (!(error instanceof NetlinkError && (error.code === "EEXIST" || error.code === "EBUSY"))) throw error;
      const found = replaceElement(resource, socket, error);
      if (found !== undefined && sameElement(element, found)) return;
    }
    undo(() => removeElement(resource, kernel));
  },
  verify({ where, element }, kernel) {
    const found = findElement(kernel.netfilter(where), element);
    if (found === undefined) return [`element ${title(element)} is gone`];
    return sameElement(element, found) ? [] : [`element ${title(element)} is another one's: "${found.comment ?? ""}"`];
  },
  remove: removeElement,
  removeTogether,
  describe: ({ where, element }, naming) => [commandIn(where, addElementCommand(element), naming)],
  describeRemoval: ({ where, element }, naming) => [commandIn(where, deleteElementCommand(element), naming)],
};

/**
 * Puts the element in the place of the one that is there, and returns that. Throws ConflictError for what is another
 * owner's alone.
 */
function replaceElement(
  { element, exclusive }: NftElementResource,
  socket: NetlinkSocket,
  cause: NetlinkError,
): KernelElement | undefined {
  return transactIfUnchanged(
    socket,
    () => findElement(socket, element),
    (found) => {
      if (found !== undefined && sameElement(element, found)) return [];
      if (exclusive !== undefined && found !== undefined && found.comment !== element.comment) {
        throw takenError(exclusive, found, cause);
      }
      // It is that of somebody who had the key before, and whose removal did not come or comes late.
      return [...(found === undefined ? [] : deleteElements([element])), ...createElements([element])];
    },
  );
}

function takenError(what: string, found: KernelElement, cause: NetlinkError): ConflictError {
  const details = `DEL of that attachment frees it. If no runtime knows it any more: ${deleteElementCommand(found)}`;
  return new ConflictError(`The ${what} is taken by ${describeOwner(found.comment)}`, { cause, details });
}

function describeOwner(comment: string | undefined): string {
  if (comment === undefined) return "somebody who has not signed it";
  const { network, ifname, containerId } = ownerOf(comment);
  return `container "${containerId}" in network "${network}" as "${ifname}"`;
}

function removeElement({ where, element }: NftElementResource, kernel: Kernel): void {
  if (!kernel.has(where)) return;
  try {
    removeOwnElements(kernel.netfilter(where), [element]);
  } catch (error) {
    // Without its table or set it is gone too.
    if (!(error instanceof NetlinkError && error.code === "ENOENT")) throw error;
  }
}

/** By one transaction in each place. */
function removeTogether(resources: readonly NftElementResource[], kernel: Kernel): void {
  for (const where of new Set(resources.map((resource) => resource.where))) {
    if (!kernel.has(where)) continue;
    const there = resources.filter((resource) => resource.where === where);
    try {
      removeOwnElements(
        kernel.netfilter(where),
        there.map(({ element }) => element),
      );
    } catch (error) {
      if (!(error instanceof NetlinkError && error.code === "ENOENT")) throw error;
      // One's set is gone, which says nothing of the others.
      for (const resource of there) removeElement(resource, kernel);
    }
  }
}

function title({ set, key }: NftElement): string {
  return `${key.join(" . ")} of "${set.name}" in nf_tables table ${set.family} "${set.table}"`;
}
