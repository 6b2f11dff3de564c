import { describe, expect, test } from "bun:test";
import type { NftChain, NftElement, NftRule, NftSet, NftStatement } from "../../core/nftables.ts";
import { compileRule } from "./compile/compile.ts";
import type { KernelRule } from "./rule.ts";
import { sameChain, sameElement, sameRule, sameRules, sameSet } from "./same.ts";

const T = { family: "inet", table: "t" } as const;

function rule(...statements: NftStatement[]): NftRule {
  return { ...T, chain: "c", statements };
}

/** A rule as if the kernel had it. */
function made(model: NftRule): KernelRule {
  const { statements: _, ...rest } = model;
  return { ...rest, handle: 7n, expressions: compileRule(model).expressions };
}

const web: NftStatement = { kind: "match", key: "tcp dport", value: 80 };
const accept: NftStatement = { kind: "verdict", verdict: "accept" };

describe("a rule is the same", () => {
  test("however its values are written", () => {
    const [a, b] = [
      rule({ kind: "match", key: "ip saddr", value: "10.1.2.3/8" }),
      rule({ kind: "match", key: "ip saddr", value: "10.0.0.0/8" }),
    ];
    expect(sameRule(a, made(b))).toBe(true);
    const [c, d] = [
      rule({ kind: "match", key: "meta l4proto", value: 6 }),
      rule({ kind: "match", key: "meta l4proto", value: "tcp" }),
    ];
    expect(sameRule(c, made(d))).toBe(true);
  });

  test("whatever its counter has counted", () => {
    const found = made(rule(web, { kind: "counter", packets: 5, bytes: 400 }, accept));
    expect(sameRule(rule(web, { kind: "counter" }, accept), found)).toBe(true);
  });

  test("with an anonymous set of the same elements, in any order", () => {
    const set = (...ports: number[]): NftStatement => ({ kind: "match", key: "tcp dport", value: { anyOf: ports } });
    const found = made(rule(set(443, 80)));
    const anonymous = () => ({ key: ["inet_service" as const], anonymous: [{ key: [443] }, { key: [80] }] });
    expect(sameRule(rule(set(80, 443)), found, anonymous)).toBe(true);
    expect(sameRule(rule(set(80, 444)), found, anonymous)).toBe(false);
    // Without the elements nothing can be said for it.
    expect(sameRule(rule(set(80, 443)), found)).toBe(false);
  });
});

describe("a rule is another", () => {
  const model = { ...rule(web, accept), comment: "mine" };
  const others: readonly (readonly [string, KernelRule])[] = [
    ["with another comment", { ...made(model), comment: "theirs" }],
    ["with another verdict", made({ ...rule(web, { kind: "verdict", verdict: "drop" }), comment: "mine" })],
    ["with more statements", made({ ...rule(web, { kind: "counter" }, accept), comment: "mine" })],
    [
      "for another protocol",
      made({ ...rule({ kind: "match", key: "udp dport", value: 80 }, accept), comment: "mine" }),
    ],
    [
      "that looks into another set",
      made({ ...rule({ kind: "match", key: "tcp dport", value: { set: "s" } }, accept), comment: "mine" }),
    ],
    [
      "with an expression that is not known here",
      { ...made(model), expressions: [{ name: "other", kernelName: "quota", data: new Uint8Array() }] },
    ],
  ];
  for (const [how, found] of others) {
    test(how, () => {
      expect(sameRule(model, found)).toBe(false);
    });
  }
});

test("the rules of a chain are the same in the model's order and number only", () => {
  const [a, b] = [rule(web, accept), rule(accept)];
  expect(sameRules([a, b], [made(a), made(b)])).toBe(true);
  expect(sameRules([a, b], [made(b), made(a)])).toBe(false);
  expect(sameRules([a, b], [made(a)])).toBe(false);
  expect(sameRules([a], [made(a), made(b)])).toBe(false);
});

test("a chain is the same at the same hook, place and policy, however the place is written", () => {
  const chain: NftChain = { ...T, name: "c", base: { type: "nat", hook: "postrouting", priority: "srcnat" } };
  const found = (base: NftChain["base"]) => ({ ...T, name: "c", handle: 1n, use: 0, ...(base && { base }) });
  expect(sameChain(chain, found({ type: "nat", hook: "postrouting", priority: 100, policy: "accept" }))).toBe(true);
  expect(sameChain(chain, found({ type: "nat", hook: "postrouting", priority: 101, policy: "accept" }))).toBe(false);
  expect(sameChain(chain, found({ type: "nat", hook: "postrouting", priority: 100, policy: "drop" }))).toBe(false);
  expect(sameChain(chain, found({ type: "nat", hook: "input", priority: 100, policy: "accept" }))).toBe(false);
  expect(sameChain(chain, found(undefined))).toBe(false);
  expect(sameChain({ ...T, name: "c" }, found(undefined))).toBe(true);
});

test("a set is the same by its types and flags", () => {
  const set: NftSet = { ...T, name: "s", key: ["ipv4_addr"], data: "verdict", timeout: 5 };
  const found = { ...set, handle: 1n, anonymous: false, autoMerge: false };
  expect(sameSet(set, { ...found, flags: ["timeout"] })).toBe(true);
  expect(sameSet(set, { ...found, flags: ["timeout", "interval"] })).toBe(false);
  expect(sameSet(set, { ...found, key: ["ipv6_addr"] })).toBe(false);
  expect(sameSet(set, { ...found, data: ["ipv4_addr"] })).toBe(false);
});

test("an element is the same by what it leads to and by its comment", () => {
  const set: NftSet = { ...T, name: "s", key: ["ipv4_addr"], data: "verdict" };
  const element: NftElement = { set, key: ["10.0.0.1"], verdict: { goto: "c" }, comment: "mine" };
  expect(sameElement(element, { ...element })).toBe(true);
  expect(sameElement(element, { ...element, comment: "theirs" })).toBe(false);
  expect(sameElement(element, { ...element, verdict: { jump: "c" } })).toBe(false);
  const values: NftSet = { ...set, data: ["inet_proto"] };
  const value: NftElement = { set: values, key: ["10.0.0.1"], data: ["tcp"] };
  expect(sameElement(value, { ...value, data: [6] })).toBe(true);
  expect(sameElement(value, { ...value, data: [17] })).toBe(false);
});
