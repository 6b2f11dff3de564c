import { expect, test } from "bun:test";
import fc from "fast-check";
import { type BlockRecord, type PoolRecord, poolDocuments } from "../../core/cluster.ts";
import { isRouted, Prefixes, prefixesOf } from "./prefixes.ts";

function block(cidr: string, node: string, lent: Record<string, string> = {}, pool = "default"): BlockRecord {
  return { version: 1, pool, cidr, node, epoch: 1, offered: [], lent };
}

const pools = new Map<string, PoolRecord>([
  ["default", poolDocuments.parse({ version: 1, cidrs: ["10.0.0.0/16"] })],
  ["lan", poolDocuments.parse({ version: 1, cidrs: ["192.168.0.0/24"], routed: false })],
]);

test("a node has its blocks, and what it holds of others' blocks", () => {
  const blocks = [
    block("10.0.0.0/26", "a", { "10.0.0.7": "b", "10.0.0.8": "a" }),
    block("10.0.0.64/26", "a"),
    block("10.0.0.128/26", "b", { "10.0.0.130": "c" }),
    block("fd00::40/122", "b", { "fd00::41": "a" }),
    block("192.168.0.0/28", "b", {}, "lan"),
    block("10.0.0.192/26", "", { "10.0.0.193": "c" }),
  ];
  expect(Object.fromEntries(prefixesOf(blocks, pools))).toEqual({
    a: ["10.0.0.0/26", "10.0.0.64/26", "fd00::41/128"],
    b: ["10.0.0.128/26", "10.0.0.7/32", "fd00::40/122"],
    c: ["10.0.0.130/32", "10.0.0.193/32"],
  });
});

test("a change of one block names the nodes that it concerns, and no others", () => {
  const prefixes = new Prefixes();
  for (let i = 0; i < 250; i++) prefixes.put(`b${i}`, block(`10.0.${i}.0/24`, `n${i}`));
  expect(prefixes.put("b7", block("10.0.7.0/24", "n7"))).toEqual([]);
  expect(prefixes.put("b7", block("10.0.7.0/24", "n7", { "10.0.7.1": "n9" }))).toEqual(["n9"]);
  expect(prefixes.of("n9")).toEqual(["10.0.7.1/32", "10.0.9.0/24"]);
  expect(prefixes.put("b7", block("10.0.7.0/24", "n7", { "10.0.7.1": "n8" })).sort()).toEqual(["n8", "n9"]);
  expect(prefixes.put("b7", undefined).sort()).toEqual(["n7", "n8"]);
  expect(prefixes.of("n7")).toEqual([]);
});

test("kept up to date it is what is made of the whole", () => {
  const node = fc.constantFrom("a", "b", "c");
  const change = fc.record({
    at: fc.nat(3),
    value: fc.option(fc.record({ node, lent: fc.dictionary(fc.constantFrom("1", "2"), node) })),
  });
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const prefixes = new Prefixes();
      const documents = new Map<number, BlockRecord>();
      for (const { at, value } of changes) {
        const lent = Object.entries(value?.lent ?? {}).map(([host, holder]) => [`10.0.${at}.${host}`, holder]);
        const now = value === null ? undefined : block(`10.0.${at}.0/24`, value.node, Object.fromEntries(lent));
        if (now === undefined) documents.delete(at);
        else documents.set(at, now);
        prefixes.put(String(at), now);
      }
      const whole = prefixesOf(documents.values(), pools);
      expect(new Map(prefixes.nodes().map((each) => [each, prefixes.of(each)]))).toEqual(whole);
    }),
  );
});

test("blocks of a LAN that the nodes share are not led anywhere", () => {
  expect(isRouted(block("192.168.0.0/28", "a", {}, "lan"), pools)).toBe(false);
  expect(isRouted(block("10.9.0.0/28", "a", {}, "deleted"), pools)).toBe(true);
});
