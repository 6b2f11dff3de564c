/** A chain for the administrator's rules, which we make and remove only while it is empty. */

import type { NftChain } from "../core/nftables.ts";
import type { NftAdminChainResource } from "../core/plan.ts";
import { NetlinkError } from "../linux/netlink/error.ts";
import { commit, type NftRequest, transactIfUnchanged } from "../linux/nftables/batch.ts";
import { createChain, deleteChain, findChain, type KernelChain } from "../linux/nftables/chain.ts";
import { addChainCommand } from "../linux/nftables/printer.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

/** Tells a chain that we have made from one of the administrator's own making, which stays. */
const COMMENT = "for the administrator";

export const nftAdminChain: ResourceKind<NftAdminChainResource> = {
  ensure(resource, kernel, undo) {
    const { where, chain } = resource;
    const socket = kernel.netfilter(where);
    if (findChain(socket, chain) !== undefined) return;
    try {
      commit(socket, [createAdminChain(chain)]);
    } catch (error) {
      // Another ADD was quicker, or the administrator.
      if (error instanceof NetlinkError && error.code === "EEXIST") return;
      throw error;
    }
    undo(() => removeAdminChain(resource, kernel));
  },
  verify({ where, chain }, kernel) {
    const { family, table, name } = chain;
    return findChain(kernel.netfilter(where), chain) === undefined
      ? [`the administrator's chain "${name}" of nf_tables table ${family} "${table}" is gone`]
      : [];
  },
  remove: removeAdminChain,
  describe: ({ where, chain }, naming) => [commandIn(where, addAdminChainCommand(chain), naming)],
  describeRemoval: ({ chain: { family, table, name } }) => [
    `# the administrator's chain ${family} ${table} ${name} goes only when it is empty`,
  ],
};

export function createAdminChain(chain: NftChain): NftRequest {
  return createChain({ ...chain, comment: COMMENT });
}

/** The command that makes one unless it is there. */
export function addAdminChainCommand(chain: NftChain): string {
  return addChainCommand({ ...chain, comment: COMMENT });
}

/**
 * The request that deletes an administrator's chain, where it may go: we have made it, it has no rules, and nothing
 * leads to it but `ownJumps` rules, which are about to go.
 */
export function deleteAdminChain(chain: KernelChain | undefined, ownJumps = 0): NftRequest[] {
  return chain !== undefined && chain.comment === COMMENT && chain.use === ownJumps ? [deleteChain(chain)] : [];
}

function removeAdminChain({ where, chain }: NftAdminChainResource, kernel: Kernel): void {
  if (!kernel.has(where)) return;
  const socket = kernel.netfilter(where);
  transactIfUnchanged(
    socket,
    () => findChain(socket, chain),
    (found) => deleteAdminChain(found),
  );
}
