/** One rule at the end of a chain, told from the others by its comment. */

import type { NftRule } from "../core/nftables.ts";
import type { NftRuleResource } from "../core/plan.ts";
import type { NetlinkSocket } from "../linux/netlink/socket.ts";
import { transactIfUnchanged } from "../linux/nftables/batch.ts";
import { addRuleCommand } from "../linux/nftables/printer.ts";
import { addRule, deleteRule, type KernelRule, listRules } from "../linux/nftables/rule.ts";
import { findAnonymousSets } from "../linux/nftables/ruleset.ts";
import { sameRule } from "../linux/nftables/same.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const nftRule: ResourceKind<NftRuleResource> = {
  ensure(resource, kernel, undo) {
    const { where, rule } = resource;
    const socket = kernel.netfilter(where);
    const before = transactIfUnchanged(
      socket,
      () => ownRules(socket, rule),
      (own) => (own.length > 0 ? [] : addRule(rule)),
    );
    if (before.length === 0) undo(() => removeRule(resource, kernel));
  },
  verify({ where, rule }, kernel) {
    const socket = kernel.netfilter(where);
    const found = ownRules(socket, rule);
    const chain = `chain "${rule.chain}" of nf_tables table ${rule.family} "${rule.table}"`;
    if (found.length === 0) return [`the rule "${rule.comment}" is gone from ${chain}`];
    const anonymous = findAnonymousSets(socket, found);
    return found.every((one) => sameRule(rule, one, anonymous))
      ? []
      : [`the rule "${rule.comment}" in ${chain} has been changed`];
  },
  remove: removeRule,
  describe: ({ where, rule }, naming) => [commandIn(where, addRuleCommand(rule), naming)],
  describeRemoval: ({ rule }) => [
    `# delete the rule "${rule.comment}" from chain ${rule.family} ${rule.table} ${rule.chain} by its handle`,
  ],
};

function removeRule({ where, rule }: NftRuleResource, kernel: Kernel): void {
  if (!kernel.has(where)) return;
  const socket = kernel.netfilter(where);
  transactIfUnchanged(
    socket,
    () => ownRules(socket, rule),
    (own) => own.map(({ handle }) => deleteRule(rule, handle)),
  );
}

function ownRules(socket: NetlinkSocket, { family, table, chain, comment }: NftRule): KernelRule[] {
  return listRules(socket, { family, table, name: chain }).filter((one) => one.comment === comment);
}
