/** Whether the kernel has what a model says. */

import type { NftChain, NftElement, NftRule, NftSet } from "../../core/nftables.ts";
import type { KernelChain } from "./chain.ts";
import { encodeTuple, equalBytes } from "./datatypes.ts";
import type { FindSet } from "./decompile/reader.ts";
import type { KernelElement } from "./element.ts";
import { formatStatement } from "./print-statement.ts";
import { priorityNumber } from "./priority.ts";
import type { KernelRule } from "./rule.ts";
import { assumedSet, modelRule, type ReadRule, readRule } from "./ruleset.ts";
import type { KernelSet } from "./set.ts";
import { formatVerdict } from "./verdict.ts";

/**
 * Whether a rule of the kernel does what the model says and has its comment. Both are read back from their
 * expressions, so it does not matter how a value is written, what a counter has counted, or how an anonymous set is
 * called; for those give what {@link findAnonymousSets} finds. Throws TypeError as compileRule does.
 */
export function sameRule(model: NftRule, found: KernelRule, anonymous: FindSet = () => undefined): boolean {
  const find: FindSet = (name, id) => anonymous(name, id) ?? assumedSet(model, name);
  const wanted = meaning(modelRule(model));
  return wanted !== undefined && model.comment === found.comment && wanted === meaning(readRule(found, find));
}

/** A rule in words; undefined where a part of it is not known here. */
function meaning({ statements }: ReadRule): string | undefined {
  const words: string[] = [];
  for (const statement of statements) {
    if (statement.kind === "unknown") return undefined;
    words.push(statement.kind === "counter" ? "counter" : formatStatement(statement));
  }
  return words.join(" ");
}

/** Whether all rules of a chain are those of the model, in its order. Throws TypeError as compileRule does. */
export function sameRules(models: readonly NftRule[], found: readonly KernelRule[], anonymous?: FindSet): boolean {
  return (
    models.length === found.length &&
    models.every((model, i) => {
      const rule = found[i];
      return rule !== undefined && sameRule(model, rule, anonymous);
    })
  );
}

/** Whether a chain of the kernel hangs where the model says, with its policy. */
export function sameChain(model: NftChain, found: KernelChain): boolean {
  const [a, b] = [model.base, found.base];
  if (a === undefined || b === undefined) return a === b;
  return (
    a.type === b.type &&
    a.hook === b.hook &&
    priorityNumber(model.family, a.hook, a.priority) === priorityNumber(found.family, b.hook, b.priority) &&
    (a.policy ?? "accept") === (b.policy ?? "accept") &&
    sameList(a.devices ?? [], b.devices ?? [])
  );
}

/** Whether a set of the kernel takes the elements that the model's does. */
export function sameSet(model: NftSet, found: KernelSet): boolean {
  const flags = (set: NftSet) => new Set([...(set.flags ?? []), ...(set.timeout === undefined ? [] : ["timeout"])]);
  const [a, b] = [flags(model), flags(found)];
  const sameData =
    Array.isArray(model.data) && Array.isArray(found.data)
      ? sameList(model.data, found.data)
      : model.data === found.data;
  return sameList(model.key, found.key) && sameData && a.size === b.size && [...a].every((flag) => b.has(flag));
}

/** Whether an element of the kernel, found by the model's key, leads where the model's does and has its comment. */
export function sameElement(model: NftElement, found: KernelElement): boolean {
  const verdict = (element: NftElement) => (element.verdict === undefined ? undefined : formatVerdict(element.verdict));
  return verdict(model) === verdict(found) && model.comment === found.comment && sameData(model, found);
}

function sameData({ set, data: a }: NftElement, { data: b }: KernelElement): boolean {
  if (a === undefined || b === undefined || !Array.isArray(set.data)) return a === b;
  return equalBytes(encodeTuple(set.data, a).from, encodeTuple(set.data, b).from);
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
