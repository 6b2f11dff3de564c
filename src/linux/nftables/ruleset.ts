/** A whole table: read from the kernel, or compiled from a model, in the one form that the printer takes. */

import type { NftChain, NftElementContent, NftRule, NftSet, NftTable, NftType } from "../../core/nftables.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { readUnchanged } from "./batch.ts";
import { type KernelChain, listChains } from "./chain.ts";
import { compileRule } from "./compile/compile.ts";
import { decompileRule } from "./decompile/decompile.ts";
import type { FindSet, ReadStatement, SetContent } from "./decompile/reader.ts";
import { type KernelElement, listElements } from "./element.ts";
import { keyTypes } from "./keys.ts";
import { type KernelRule, listTableRules } from "./rule.ts";
import { findSet, type KernelSet, listSets } from "./set.ts";
import { findTable, type KernelTable, listTables, type TableName } from "./table.ts";

/** A rule with its statements read back from expressions, as nft(8) would list them. */
export interface ReadRule {
  readonly statements: readonly ReadStatement[];
  readonly comment?: string;
}

export interface TableContent {
  readonly table: NftTable | KernelTable;
  readonly sets: readonly { readonly set: NftSet | KernelSet; readonly elements: readonly NftElementContent[] }[];
  readonly chains: readonly { readonly chain: NftChain | KernelChain; readonly rules: readonly ReadRule[] }[];
}

/** All that is in a table, as it was at one moment; undefined where there is none. Throws NetlinkError. */
export function readTable(socket: NetlinkSocket, name: TableName): TableContent | undefined {
  return readUnchanged(socket, () => {
    const table = findTable(socket, name);
    return table === undefined ? undefined : readContent(socket, table);
  });
}

/** All tables, as they were at one moment. Throws NetlinkError. */
export function readRuleset(socket: NetlinkSocket): TableContent[] {
  return readUnchanged(socket, () => listTables(socket).map((table) => readContent(socket, table)));
}

function readContent(socket: NetlinkSocket, table: KernelTable): TableContent {
  const sets = listSets(socket, table).map((set) => ({ set, elements: listElements(socket, set) }));
  const rules = listTableRules(socket, table);
  const find = finder(sets);
  const chains = listChains(socket, table).map((chain) => ({
    chain,
    rules: rules.filter((rule) => rule.chain === chain.name).map((rule) => readRule(rule, find)),
  }));
  return { table, sets: sets.filter(({ set }) => !set.anonymous), chains };
}

/** The statements of a rule of the kernel. Throws DecodeError for a verdict that is not known. */
export function readRule({ family, expressions, comment }: KernelRule, find: FindSet): ReadRule {
  return { statements: decompileRule(family, expressions, find), ...(comment === undefined ? {} : { comment }) };
}

/** Finds sets of a table of the kernel, which names anonymous ones too. */
export function finder(sets: readonly { set: KernelSet; elements: readonly KernelElement[] }[]): FindSet {
  const byName = new Map(sets.map((one) => [one.set.name, one]));
  return (name): SetContent | undefined => {
    const found = byName.get(name);
    if (found === undefined) return undefined;
    const { set, elements } = found;
    const { key, data } = set;
    return {
      key,
      ...(data === undefined ? {} : { data }),
      ...(set.anonymous ? { anonymous: elements.map(withoutSet) } : {}),
    };
  };
}

/** Finds the anonymous sets that rules of one table look into; asks the kernel only for these. Throws NetlinkError. */
export function findAnonymousSets(socket: NetlinkSocket, rules: readonly KernelRule[]): FindSet {
  const found = new Map<string, { set: KernelSet; elements: readonly KernelElement[] }>();
  for (const { family, table, expressions } of rules) {
    for (const expression of expressions) {
      const name = expression.name === "lookup" ? expression.data.set : undefined;
      if (name === undefined || !ANONYMOUS_NAME.test(name) || found.has(name)) continue;
      const set = findSet(socket, { family, table, name });
      if (set?.anonymous) found.set(name, { set, elements: listElements(socket, set) });
    }
  }
  return finder([...found.values()]);
}

/** The kernel puts a number in the place of `%d`. */
const ANONYMOUS_NAME = /^__(set|map)[0-9]+$/;

function withoutSet({ set: _, ...content }: KernelElement): NftElementContent {
  return content;
}

/** A table that does not exist yet. Sets that rules look into are those given. Throws TypeError as compileRule does. */
export interface TableModel {
  readonly table: NftTable;
  readonly sets?: readonly NftSet[];
  readonly chains?: readonly { readonly chain: NftChain; readonly rules: readonly NftRule[] }[];
  readonly elements?: readonly (NftElementContent & { readonly set: NftSet })[];
}

/** A model in the form in which it would be read back from the kernel. Throws TypeError as compileRule does. */
export function modelTable({ table, sets = [], chains = [], elements = [] }: TableModel): TableContent {
  return {
    table,
    sets: sets.map((set) => ({ set, elements: elements.filter((one) => one.set.name === set.name) })),
    chains: chains.map(({ chain, rules }) => ({ chain, rules: rules.map((rule) => modelRule(rule, sets)) })),
  };
}

/** A rule in the form in which it would be read back from the kernel. Throws TypeError as compileRule does. */
export function modelRule(rule: NftRule, sets: readonly NftSet[] = []): ReadRule {
  const { expressions, sets: own } = compileRule(rule);
  const find: FindSet = (name, id) => {
    const anonymous = id === undefined ? undefined : own[id - 1];
    if (anonymous !== undefined) return { ...anonymous.set, anonymous: anonymous.elements };
    return sets.find((set) => set.name === name) ?? assumedSet(rule, name);
  };
  const { comment } = rule;
  return { statements: decompileRule(rule.family, expressions, find), ...(comment === undefined ? {} : { comment }) };
}

/** What a rule's statements say about a set that they look into. */
export function assumedSet({ statements }: NftRule, name: string): SetContent | undefined {
  for (const statement of statements) {
    if (statement.kind === "match" && typeof statement.value === "object" && "set" in statement.value) {
      if (statement.value.set === name) return { key: keyTypes(statement.key) };
    } else if (statement.kind === "vmap" && statement.map === name) {
      return { key: keyTypes(statement.key), data: "verdict" };
    } else if ((statement.kind === "snat" || statement.kind === "dnat") && statement.map?.name === name) {
      const address: NftType = statement.family === "ip6" ? "ipv6_addr" : "ipv4_addr";
      return { key: keyTypes(statement.map.key), data: statement.map.ports ? [address, "inet_service"] : [address] };
    }
  }
  return undefined;
}
