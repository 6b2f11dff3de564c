/** Whatever elements of some sets carry an owner's comment: for removal when it is not known which they are. */

import type { NftOwnedResource } from "../core/plan.ts";
import { listElements, removeOwnElements } from "../linux/nftables/element.ts";
import { findSet } from "../linux/nftables/set.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const nftOwned: ResourceKind<NftOwnedResource> = {
  // There is nothing to make: it stands for what an ADD has made that left no record.
  ensure() {},
  verify: () => [],
  remove({ where, sets, comment }, kernel) {
    if (!kernel.has(where)) return;
    const socket = kernel.netfilter(where);
    for (const set of sets) {
      if (findSet(socket, set) === undefined) continue;
      const own = listElements(socket, set).filter((element) => element.comment === comment);
      if (own.length > 0) removeOwnElements(socket, own);
    }
  },
  describe: () => [],
  describeRemoval: ({ where, sets, comment }, naming) =>
    sets.map(({ family, table, name }) =>
      commandIn(where, `nft list set ${family} ${table} ${name} | grep '${comment}' # and delete these`, naming),
    ),
};
