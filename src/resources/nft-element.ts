/** One element of a set or map. Its comment names the owner, who alone removes it. */

import type { NftElement } from "../core/nftables.ts";
import type { NftElementResource } from "../core/plan.ts";
import { NetlinkError } from "../linux/netlink/error.ts";
import { commit } from "../linux/nftables/batch.ts";
import { createElements, destroyElements, findElement, removeOwnElements } from "../linux/nftables/element.ts";
import { addElementCommand, deleteElementCommand } from "../linux/nftables/printer.ts";
import { sameElement } from "../linux/nftables/same.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const nftElement: ResourceKind<NftElementResource> = {
  ensure(resource, kernel, undo) {
    const { where, element } = resource;
    const socket = kernel.netfilter(where);
    try {
      commit(socket, createElements([element]));
    } catch (error) {
      if (!(error instanceof NetlinkError && (error.code === "EEXIST" || error.code === "EBUSY"))) throw error;
      const found = findElement(socket, element);
      if (found !== undefined && sameElement(element, found)) return;
      // It is that of somebody who had the key before, and whose removal did not come or comes late.
      commit(socket, [...destroyElements([element]), ...createElements([element])]);
    }
    undo(() => removeElement(resource, kernel));
  },
  verify({ where, element }, kernel) {
    const found = findElement(kernel.netfilter(where), element);
    if (found === undefined) return [`element ${title(element)} is gone`];
    return sameElement(element, found) ? [] : [`element ${title(element)} is another one's: "${found.comment ?? ""}"`];
  },
  remove: removeElement,
  describe: ({ where, element }, naming) => [commandIn(where, addElementCommand(element), naming)],
  describeRemoval: ({ where, element }, naming) => [commandIn(where, deleteElementCommand(element), naming)],
};

function removeElement({ where, element }: NftElementResource, kernel: Kernel): void {
  if (!kernel.has(where)) return;
  try {
    removeOwnElements(kernel.netfilter(where), [element]);
  } catch (error) {
    // Without its table or set it is gone too.
    if (!(error instanceof NetlinkError && error.code === "ENOENT")) throw error;
  }
}

function title({ set, key }: NftElement): string {
  return `${key.join(" . ")} of "${set.name}" in nf_tables table ${set.family} "${set.table}"`;
}
