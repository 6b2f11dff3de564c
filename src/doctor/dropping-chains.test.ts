import { expect, test } from "bun:test";
import type { NftStatement } from "../core/nftables.ts";
import type { TableContent } from "../linux/nftables/ruleset.ts";
import { droppingChains } from "./dropping-chains.ts";

const TABLE = { family: "inet", table: "other" } as const;
const accept: NftStatement = { kind: "verdict", verdict: "accept" };
const marked: NftStatement = { kind: "match", key: "meta mark", mask: 0x1000, value: 0x1000 };

/** A table whose base chain has these rules, and others named. */
function table(
  rules: readonly (readonly NftStatement[])[],
  others: Readonly<Record<string, readonly (readonly NftStatement[])[]>> = {},
  policy: "accept" | "drop" = "drop",
): TableContent {
  const base = { type: "filter", hook: "forward", priority: "filter", policy } as const;
  const asRules = (list: readonly (readonly NftStatement[])[]) => list.map((statements) => ({ statements }));
  return {
    table: { family: TABLE.family, name: TABLE.table },
    sets: [],
    chains: [
      { chain: { ...TABLE, name: "forward", base }, rules: asRules(rules) },
      ...Object.entries(others).map(([name, list]) => ({ chain: { ...TABLE, name }, rules: asRules(list) })),
    ],
  };
}

const acceptsOurs = (content: TableContent) => droppingChains([content]).map((chain) => chain.acceptsOurs);
const jump = (name: string): NftStatement => ({ kind: "verdict", verdict: { jump: name } });

test("a chain that accepts, and our own, are none", () => {
  expect(acceptsOurs(table([], {}, "accept"))).toEqual([]);
  const ours = { ...table([]), table: { family: "inet", name: "tendril" } as const };
  expect(acceptsOurs(ours)).toEqual([]);
});

test("what our chains have marked is let pass by a rule for the mark, also in a chain that is jumped to", () => {
  expect(acceptsOurs(table([]))).toEqual([false]);
  expect(acceptsOurs(table([[marked, accept]]))).toEqual([true]);
  expect(acceptsOurs(table([[accept]]))).toEqual([true]);
  expect(acceptsOurs(table([[jump("a")]], { a: [[jump("b")]], b: [[marked, { kind: "counter" }, accept]] }))).toEqual([
    true,
  ]);
  expect(acceptsOurs(table([[jump("TENDRIL-FORWARD")]], { "TENDRIL-FORWARD": [] }))).toEqual([true]);
});

test("a rule for some packets only is not enough", () => {
  const from: NftStatement = { kind: "match", key: "ip saddr", value: "10.0.0.0/8" };
  const otherMark: NftStatement = { kind: "match", key: "meta mark", value: 1 };
  expect(acceptsOurs(table([[from, marked, accept]]))).toEqual([false]);
  expect(acceptsOurs(table([[otherMark, accept]]))).toEqual([false]);
  expect(acceptsOurs(table([[from, jump("a")]], { a: [[marked, accept]] }))).toEqual([false]);
  // A chain that leads to itself, as the kernel would not take it, ends the search too.
  expect(acceptsOurs(table([[jump("a")]], { a: [[jump("a")]] }))).toEqual([false]);
});
