import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatIp, type Ip, parseIp } from "../../core/ip.ts";
import { nextFree } from "./allocator.ts";
import { makeRange, makeRangeSet, type RangeSet } from "./range.ts";

/** A few ranges apart from each other, in any order, of 10.9.0.0/24 or its IPv6 like. */
const sets = fc
  .record({
    cuts: fc.uniqueArray(fc.nat(40), { minLength: 2, maxLength: 8, comparator: (a, b) => a === b }),
    order: fc.array(fc.nat(), { minLength: 4, maxLength: 4 }),
    gateways: fc.array(fc.nat(40), { minLength: 4, maxLength: 4 }),
    family: fc.constantFrom(4 as const, 6 as const),
  })
  .map(({ cuts, order, gateways, family }) => {
    const base = family === 4 ? (parseIp("10.9.0.0") as Ip).value : (parseIp("fd09::") as Ip).value;
    const at = (offset: number): Ip => ({ family, value: base + BigInt(offset) });
    const sorted = cuts.toSorted((a, b) => a - b);
    const bounds: [number, number][] = [];
    for (let i = 0; i + 1 < sorted.length; i += 2) bounds.push([sorted[i] as number, sorted[i + 1] as number]);
    const shuffled = bounds
      .map((pair, i) => ({ pair, key: order[i] ?? 0 }))
      .toSorted((a, b) => a.key - b.key)
      .map(({ pair }) => pair);
    const ranges = shuffled.map(([first, last], i) =>
      makeRange(
        {
          subnet: { ip: at(0), bits: family === 4 ? 24 : 120 },
          rangeStart: at(first),
          rangeEnd: at(last),
          gateway: at(gateways[i] ?? 0),
        },
        `r[${i}]`,
      ),
    );
    return { set: makeRangeSet(ranges, "r"), at };
  });

/** The order by the plainest means: all addresses in a row, turned to begin behind the last one. */
function slowNext(set: RangeSet, last: Ip, taken: ReadonlySet<string>): string | undefined {
  const row: { value: bigint; gateway: boolean }[] = [];
  for (const range of set.ranges) {
    for (let value = range.first; value <= range.last; value++) {
      row.push({ value, gateway: value === range.gateway.value });
    }
  }
  const begin = row.findIndex(({ value }) => value === last.value) + 1;
  return [...row.slice(begin), ...row.slice(0, begin)]
    .filter(({ gateway }) => !gateway)
    .map(({ value }) => formatIp({ family: set.family, value }))
    .find((address) => !taken.has(address));
}

test("the next address is the one that a walk over all addresses in a row finds", () => {
  fc.assert(
    fc.property(sets, fc.nat(42), fc.array(fc.nat(40)), fc.boolean(), ({ set, at }, lastOffset, offsets, inverse) => {
      const listed = new Set(offsets.map((offset) => formatIp(at(offset))));
      const all = Array.from({ length: 41 }, (_, offset) => formatIp(at(offset)));
      const taken = inverse ? new Set(all.filter((address) => !listed.has(address))) : listed;
      const last = at(lastOffset);
      expect(nextFree(set, last, (address) => !taken.has(address))?.address).toBe(slowNext(set, last, taken));
    }),
    { numRuns: 2000 },
  );
});

test("leasing again and again gives every address once, then nothing", () => {
  fc.assert(
    fc.property(sets, ({ set }) => {
      const taken = new Set<string>();
      let last: Ip | undefined;
      for (;;) {
        const choice = nextFree(set, last, (address) => !taken.has(address));
        if (choice === undefined) break;
        expect(taken.has(choice.address)).toBe(false);
        const ip = parseIp(choice.address) as Ip;
        expect(choice.range.first <= ip.value && ip.value <= choice.range.last).toBe(true);
        taken.add(choice.address);
        last = ip;
      }
      let expected = 0;
      for (const { first, last: end, gateway } of set.ranges) {
        for (let value = first; value <= end; value++) if (value !== gateway.value) expected++;
      }
      expect(taken.size).toBe(expected);
    }),
    { numRuns: 500 },
  );
});

test("an address that was leased last is the last to be leased again", () => {
  const set = makeRangeSet(
    [
      makeRange(
        {
          subnet: { ip: parseIp("10.9.0.0") as Ip, bits: 29 },
          rangeStart: undefined,
          rangeEnd: undefined,
          gateway: undefined,
        },
        "r[0]",
      ),
    ],
    "r",
  );
  const seen: string[] = [];
  nextFree(set, parseIp("10.9.0.4"), (address) => {
    seen.push(address);
    return false;
  });
  expect(seen).toEqual(["10.9.0.5", "10.9.0.6", "10.9.0.2", "10.9.0.3", "10.9.0.4"]);
});

test("a last address of the other family starts the search from the beginning", () => {
  const subnet = { ip: parseIp("::") as Ip, bits: 120 };
  const set = makeRangeSet(
    [makeRange({ subnet, rangeStart: undefined, rangeEnd: undefined, gateway: undefined }, "r")],
    "r",
  );
  expect(nextFree(set, parseIp("0.0.0.9"), () => true)?.address).toBe("::2");
});
