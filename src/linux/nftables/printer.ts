/**
 * Tables in nft(8)'s syntax: whole, as `nft list table` shows them, and as single commands that make each object.
 *
 * What comes from the kernel and what a plan says are printed alike, because a plan's rules are compiled first. A test
 * compares the text with nft's own, character by character.
 */

import type { NftBaseChain, NftChain, NftElement, NftRule, NftSet, NftTable } from "../../core/nftables.ts";
import type { ChainName } from "./chain.ts";
import { formatElement, formatElements } from "./print-element.ts";
import { formatStatement } from "./print-statement.ts";
import { formatTime, type LinkName } from "./print-value.ts";
import { hookNumber, nearestPriority, priorityNumber } from "./priority.ts";
import { modelRule, type ReadRule, type TableContent } from "./ruleset.ts";
import type { KernelSet } from "./set.ts";

/** NFT_TABLE_F_DORMANT, NFT_TABLE_F_OWNER */
const TABLE_FLAGS = ["dormant", "owner"];

/** All tables, as `nft list ruleset` shows them. */
export function printRuleset(tables: readonly TableContent[], linkName?: LinkName): string {
  return tables.map((table) => printTable(table, linkName)).join("");
}

/** A table with all that is in it, as `nft list table` shows it. */
export function printTable({ table, sets, chains }: TableContent, linkName?: LinkName): string {
  const blocks = [
    ...sets.map(({ set, elements }) => block(setHead(set), setLines(set, elements, linkName))),
    ...chains.map(({ chain, rules }) => block(`chain ${chain.name}`, chainLines(chain, rules, linkName))),
  ];
  const flags = "flags" in table ? TABLE_FLAGS.filter((_, bit) => (table.flags & (1 << bit)) !== 0) : [];
  return [
    `table ${table.family} ${table.name} {\n`,
    ...(table.comment === undefined ? [] : [`\tcomment "${table.comment}"\n`]),
    ...(flags.length === 0 ? [] : [`\tflags ${flags.join(",")}\n`, ...(blocks.length === 0 ? [] : ["\n"])]),
    blocks.join("\n"),
    "}\n",
  ].join("");
}

function block(head: string, lines: readonly string[]): string {
  return `\t${head} {\n${lines.map((line) => `\t\t${line}\n`).join("")}\t}\n`;
}

function setHead(set: NftSet): string {
  return `${set.data === undefined ? "set" : "map"} ${set.name}`;
}

function setLines(set: NftSet | KernelSet, elements: TableContent["sets"][number]["elements"], linkName?: LinkName) {
  const list = elements.length === 0 ? [] : [`elements = ${formatElements(set, elements, linkName)}`];
  return [...setProperties(set), ...list];
}

function setProperties(set: NftSet | KernelSet): string[] {
  const { key, data, flags = [], timeout, gcInterval, size, policy, comment } = set;
  const constant = flags.includes("constant");
  const order = ["constant", "dynamic", "interval", "timeout"] as const;
  // A default timeout says that elements have timeouts.
  const shown = order.filter((flag) => flags.includes(flag) && !(flag === "timeout" && timeout !== undefined));
  const types = "unknownType" in set ? `${set.unknownType}` : key.join(" . ");
  const target = data === undefined ? "" : ` : ${data === "verdict" ? data : data.join(" . ")}`;
  return [
    `type ${types}${target}`,
    ...(policy === "memory" && !constant ? ["policy memory"] : []),
    ...(size === undefined || constant ? [] : [`size ${size}`]),
    ...(shown.length === 0 ? [] : [`flags ${shown.join(",")}`]),
    ...("autoMerge" in set && set.autoMerge ? ["auto-merge"] : []),
    ...(timeout === undefined ? [] : [`timeout ${formatTime(timeout)}`]),
    ...(gcInterval === undefined ? [] : [`gc-interval ${formatTime(gcInterval)}`]),
    ...(comment === undefined ? [] : [`comment "${comment}"`]),
  ];
}

function chainLines(chain: NftChain, rules: readonly ReadRule[], linkName?: LinkName): string[] {
  return [
    ...(chain.comment === undefined ? [] : [`comment "${chain.comment}"`]),
    ...(chain.base === undefined ? [] : [baseText(chain, chain.base)]),
    ...rules.map((rule) => formatRule(rule, linkName)),
  ];
}

function baseText(
  { family }: NftChain,
  { type, hook, priority, policy = "accept", devices = [] }: NftBaseChain,
): string {
  hookNumber(family, hook);
  const place = nearestPriority(family, hook, priorityNumber(family, hook, priority));
  const [device, ...more] = devices;
  const where =
    device === undefined ? "" : more.length === 0 ? ` device "${device}"` : ` devices = { ${devices.join(", ")} }`;
  return `type ${type} hook ${hook}${where} priority ${place}; policy ${policy};`;
}

/** A rule's statements and comment, as `nft list` shows them. */
export function formatRule({ statements, comment }: ReadRule, linkName?: LinkName): string {
  const words = statements.map((statement) => formatStatement(statement, linkName));
  return [...words, ...(comment === undefined ? [] : [`comment "${comment}"`])].join(" ");
}

/** The command that makes a table. */
export function addTableCommand({ family, name, comment }: NftTable): string {
  return command(`add table ${family} ${name}`, comment === undefined ? "" : ` { comment "${comment}"; }`);
}

/** The command that makes a chain. */
export function addChainCommand(chain: NftChain): string {
  const { family, table, name, base, comment } = chain;
  const inside = [
    ...(base === undefined ? [] : [baseText(chain, base)]),
    ...(comment === undefined ? [] : [`comment "${comment}";`]),
  ];
  return command(`add chain ${family} ${table} ${name}`, inside.length === 0 ? "" : ` { ${inside.join(" ")} }`);
}

/** The command that makes a set or map. */
export function addSetCommand(set: NftSet): string {
  const inside = setProperties(set).map((line) => `${line};`);
  const kind = set.data === undefined ? "set" : "map";
  return command(`add ${kind} ${set.family} ${set.table} ${set.name}`, ` { ${inside.join(" ")} }`);
}

/** The command that adds a rule at the end of its chain. Throws TypeError as compileRule does. */
export function addRuleCommand(rule: NftRule, sets?: readonly NftSet[]): string {
  const text = formatRule(modelRule(rule, sets));
  return command(`add rule ${rule.family} ${rule.table} ${rule.chain}`, ` ${text}`);
}

/** The command that adds an element to a set or map. */
export function addElementCommand(element: NftElement): string {
  return elementCommand("add", element.set, formatElement(element.set, element));
}

/** The command that deletes an element of a set or map. */
export function deleteElementCommand({ set, key }: NftElement): string {
  return elementCommand("delete", set, formatElement(set, { key }));
}

function elementCommand(verb: string, { family, table, name }: NftSet, text: string): string {
  return command(`${verb} element ${family} ${table} ${name}`, ` { ${text} }`);
}

/** The command that deletes a chain, which nothing may lead to. */
export function deleteChainCommand({ family, table, name }: ChainName): string {
  return command(`delete chain ${family} ${table} ${name}`, "");
}

/** The command that takes all rules out of a chain. */
export function flushChainCommand({ family, table, name }: ChainName): string {
  return command(`flush chain ${family} ${table} ${name}`, "");
}

/** The command that deletes a set or map, which no rule may look into. */
export function deleteSetCommand({ family, table, name, data }: NftSet): string {
  return command(`delete ${data === undefined ? "set" : "map"} ${family} ${table} ${name}`, "");
}

/** A command line; what a shell would read in its own way is quoted. */
function command(plain: string, rest: string): string {
  const text = rest.trim();
  if (text === "") return `nft ${plain}`;
  // Braces that stand alone are plain words to a shell.
  const quoted = /^[\w{} .,:/@=+-]*$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
  return `nft ${plain} ${quoted}`;
}
