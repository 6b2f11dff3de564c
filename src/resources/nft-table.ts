/** A table of ours with its sets, maps and chains. */

import type { NftTableResource } from "../core/plan.ts";
import { NetlinkError } from "../linux/netlink/error.ts";
import { commit } from "../linux/nftables/batch.ts";
import { addChain, createChain, findChain } from "../linux/nftables/chain.ts";
import {
  addChainCommand,
  addRuleCommand,
  addSetCommand,
  addTableCommand,
  deleteTableCommand,
} from "../linux/nftables/printer.ts";
import { addRule } from "../linux/nftables/rule.ts";
import { sameChain, sameSet } from "../linux/nftables/same.ts";
import { addSet, findSet } from "../linux/nftables/set.ts";
import { addTable, destroyTable, findTable } from "../linux/nftables/table.ts";
import type { Kernel } from "./kernel.ts";
import { hasRules } from "./nft-chain.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const nftTable: ResourceKind<NftTableResource> = {
  ensure(resource, kernel, undo) {
    const { where, table, sets, chains } = resource;
    const socket = kernel.netfilter(where);
    // All of it is made in one transaction, so where its last chain is, the rest is too.
    const last = chains.at(-1)?.chain;
    if (last === undefined ? findTable(socket, table) : findChain(socket, last)) return;
    try {
      commit(socket, [
        addTable(table),
        ...sets.map(addSet),
        ...chains.flatMap(({ chain, rules }) => [
          chain === last ? createChain(chain) : addChain(chain),
          ...rules.flatMap(addRule),
        ]),
      ]);
    } catch (error) {
      // Another ADD was quicker.
      if (error instanceof NetlinkError && error.code === "EEXIST") return;
      throw error;
    }
    undo(() => removeTable(resource, kernel));
  },
  verify({ where, table, sets, chains }, kernel) {
    const socket = kernel.netfilter(where);
    const name = `${table.family} "${table.name}"`;
    if (findTable(socket, table) === undefined) return [`nf_tables table ${name} is gone`];
    const findings: string[] = [];
    for (const set of sets) {
      const found = findSet(socket, set);
      if (found === undefined) findings.push(`set "${set.name}" of nf_tables table ${name} is gone`);
      else if (!sameSet(set, found)) findings.push(`set "${set.name}" of nf_tables table ${name} has another format`);
    }
    for (const { chain, rules } of chains) {
      const found = findChain(socket, chain);
      if (found === undefined) findings.push(`chain "${chain.name}" of nf_tables table ${name} is gone`);
      else if (!sameChain(chain, found) || !hasRules(socket, chain, rules)) {
        findings.push(`chain "${chain.name}" of nf_tables table ${name} has been changed`);
      }
    }
    return findings;
  },
  remove: removeTable,
  describe: ({ where, table, sets, chains }, naming) =>
    [
      addTableCommand(table),
      ...sets.map(addSetCommand),
      ...chains.flatMap(({ chain, rules }) => [
        addChainCommand(chain),
        ...rules.map((rule) => addRuleCommand(rule, sets)),
      ]),
    ].map((command) => commandIn(where, command, naming)),
  describeRemoval: ({ where, table }, naming) => [commandIn(where, deleteTableCommand(table), naming)],
};

function removeTable({ where, table }: NftTableResource, kernel: Kernel): void {
  if (kernel.has(where)) commit(kernel.netfilter(where), [destroyTable(table)]);
}
