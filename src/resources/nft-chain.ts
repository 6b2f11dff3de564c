/** A chain with the whole of its rules. */

import type { NftChain, NftRule } from "../core/nftables.ts";
import type { NftChainResource } from "../core/plan.ts";
import { NetlinkError } from "../linux/netlink/error.ts";
import type { NetlinkSocket } from "../linux/netlink/socket.ts";
import { commit } from "../linux/nftables/batch.ts";
import { createChain, destroyChain, findChain, hasChain } from "../linux/nftables/chain.ts";
import { addChainCommand, addRuleCommand, deleteChainCommand } from "../linux/nftables/printer.ts";
import { addRule, listRules } from "../linux/nftables/rule.ts";
import { findAnonymousSets } from "../linux/nftables/ruleset.ts";
import { sameChain, sameRules } from "../linux/nftables/same.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const nftChain: ResourceKind<NftChainResource> = {
  ensure(resource, kernel, undo) {
    const { where, chain, rules } = resource;
    const socket = kernel.netfilter(where);
    // Its rules were made in the same transaction.
    if (hasChain(socket, chain)) return;
    try {
      commit(socket, [createChain(chain), ...rules.flatMap(addRule)]);
    } catch (error) {
      // Another ADD was quicker.
      if (error instanceof NetlinkError && error.code === "EEXIST") return;
      throw error;
    }
    undo(() => removeChain(resource, kernel));
  },
  verify({ where, chain, rules }, kernel) {
    const socket = kernel.netfilter(where);
    const name = `"${chain.name}" of nf_tables table ${chain.family} "${chain.table}"`;
    const found = findChain(socket, chain);
    if (found === undefined) return [`chain ${name} is gone`];
    return sameChain(chain, found) && hasRules(socket, chain, rules) ? [] : [`chain ${name} has been changed`];
  },
  remove: removeChain,
  describe: ({ where, chain, rules }, naming) =>
    [addChainCommand(chain), ...rules.map((rule) => addRuleCommand(rule))].map((command) =>
      commandIn(where, command, naming),
    ),
  describeRemoval: ({ where, chain }, naming) => [commandIn(where, deleteChainCommand(chain), naming)],
};

/** Whether a chain has exactly these rules. Throws NetlinkError. */
export function hasRules(socket: NetlinkSocket, chain: NftChain, rules: readonly NftRule[]): boolean {
  const found = listRules(socket, chain);
  return sameRules(rules, found, findAnonymousSets(socket, found));
}

function removeChain({ where, chain }: NftChainResource, kernel: Kernel): void {
  if (!kernel.has(where)) return;
  try {
    commit(kernel.netfilter(where), [destroyChain(chain)]);
  } catch (error) {
    // Without its table it is gone too.
    if (!(error instanceof NetlinkError && error.code === "ENOENT")) throw error;
  }
}
