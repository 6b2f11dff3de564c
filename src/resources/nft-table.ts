/** A feature's part of a table of ours: its sets, maps and chains. */

import type { NftTableResource } from "../core/plan.ts";
import { NetlinkError } from "../linux/netlink/error.ts";
import type { NetlinkSocket } from "../linux/netlink/socket.ts";
import { commit, transactIfUnchanged } from "../linux/nftables/batch.ts";
import { addChain, createChain, deleteChain, findChain, hasChain, listChains } from "../linux/nftables/chain.ts";
import {
  addChainCommand,
  addRuleCommand,
  addSetCommand,
  addTableCommand,
  deleteChainCommand,
  deleteSetCommand,
  flushChainCommand,
} from "../linux/nftables/printer.ts";
import { addRule, flushChain } from "../linux/nftables/rule.ts";
import { sameChain, sameSet } from "../linux/nftables/same.ts";
import { addSet, deleteSet, findSet, listSets } from "../linux/nftables/set.ts";
import { addTable, destroyTable, findTable } from "../linux/nftables/table.ts";
import type { Kernel } from "./kernel.ts";
import { hasRules } from "./nft-chain.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const nftTable: ResourceKind<NftTableResource> = {
  ensure(resource, kernel, undo) {
    const { where, table, sets, chains } = resource;
    const socket = kernel.netfilter(where);
    if (!isNeeded(resource, socket)) return;
    // All of it is made in one transaction, so where its last chain or set is, the rest is too.
    const last = chains.at(-1)?.chain;
    const lastSet = sets.at(-1);
    const isThere =
      last !== undefined
        ? hasChain(socket, last)
        : lastSet === undefined
          ? findTable(socket, table) !== undefined
          : findSet(socket, lastSet) !== undefined;
    if (isThere) return;
    // Made for the first time or wiped by somebody: in a table that is there too, for he may have put back his own part.
    kernel.missedTable(where);
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
    undo(() => removePart(resource, kernel));
  },
  /** Elements of sets stay: they are others' too. */
  repair(resource, kernel) {
    const { where, table, sets, chains } = resource;
    const socket = kernel.netfilter(where);
    if (!isNeeded(resource, socket)) return;
    const changed = chains.filter(({ chain, rules, open }) => {
      const found = findChain(socket, chain);
      return found === undefined || !(open || hasRules(socket, chain, rules));
    });
    if (changed.length === 0) return;
    commit(socket, [
      addTable(table),
      ...sets.map(addSet),
      ...changed.flatMap(({ chain, rules }) => [addChain(chain), flushChain(chain), ...rules.flatMap(addRule)]),
    ]);
  },
  verify(resource, kernel) {
    const { where, table, sets, chains } = resource;
    const socket = kernel.netfilter(where);
    if (!isNeeded(resource, socket)) return [];
    const name = `${table.family} "${table.name}"`;
    if (findTable(socket, table) === undefined) return [`nf_tables table ${name} is gone`];
    const findings: string[] = [];
    for (const set of sets) {
      const found = findSet(socket, set);
      if (found === undefined) findings.push(`set "${set.name}" of nf_tables table ${name} is gone`);
      else if (!sameSet(set, found)) findings.push(`set "${set.name}" of nf_tables table ${name} has another format`);
    }
    for (const { chain, rules, open } of chains) {
      const found = findChain(socket, chain);
      if (found === undefined) findings.push(`chain "${chain.name}" of nf_tables table ${name} is gone`);
      else if (!sameChain(chain, found) || !(open || hasRules(socket, chain, rules))) {
        findings.push(`chain "${chain.name}" of nf_tables table ${name} has been changed`);
      }
    }
    return findings;
  },
  remove: removePart,
  describe: ({ where, table, sets, chains, beside }, naming) => {
    const commands = [
      addTableCommand(table),
      ...sets.map(addSetCommand),
      ...chains.flatMap(({ chain, rules }) => [
        addChainCommand(chain),
        ...rules.map((rule) => addRuleCommand(rule, sets)),
      ]),
    ];
    if (beside === undefined) return commands.map((command) => commandIn(where, command, naming));
    const isThere = beside.map(
      ({ family, table, name }) => `nft list chain ${family} ${table} ${name} >/dev/null 2>&1`,
    );
    return [commandIn(where, `if ${isThere.join(" || ")}; then ${commands.join("; ")}; fi`, naming)];
  },
  describeRemoval: ({ where, sets, chains }, naming) =>
    [
      ...chains.map(({ chain }) => flushChainCommand(chain)),
      ...sets.map(deleteSetCommand),
      ...chains.map(({ chain }) => deleteChainCommand(chain)),
    ].map((command) => commandIn(where, command, naming)),
};

/** What is for others' chains has no purpose without them. */
function isNeeded({ beside }: NftTableResource, socket: NetlinkSocket): boolean {
  return beside === undefined || beside.some((chain) => hasChain(socket, chain));
}

/** The table goes with the last part, unless there is a chain of the administrator's in it. */
function removePart({ where, table, sets, chains }: NftTableResource, kernel: Kernel): void {
  if (!kernel.has(where)) return;
  const socket = kernel.netfilter(where);
  const ownChains = new Set(chains.map(({ chain }) => chain.name));
  const ownSets = new Set(sets.map((set) => set.name));
  transactIfUnchanged(
    socket,
    () => {
      if (findTable(socket, table) === undefined) return undefined;
      return { chains: listChains(socket, table), sets: listSets(socket, table) };
    },
    (there) => {
      if (there === undefined) return [];
      const isLast =
        there.chains.every((chain) => ownChains.has(chain.name)) && there.sets.every((set) => ownSets.has(set.name));
      if (isLast) return [destroyTable(table)];
      const doomed = there.chains.filter((chain) => ownChains.has(chain.name));
      return [
        // Rules hold the sets that they look into, and elements the chains that they lead to.
        ...doomed.map(flushChain),
        ...there.sets.filter((set) => ownSets.has(set.name)).map(deleteSet),
        ...doomed.map(deleteChain),
      ];
    },
  );
}
