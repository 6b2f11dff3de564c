import { describe, expect, test } from "bun:test";
import { formatCidr, parseCidr } from "../../core/cidr.ts";
import { poolDocuments } from "../../core/cluster.ts";
import { parseIp } from "../../core/ip.ts";
import { blockCidr, blockName, blockOf, freeBlock, usableAddresses } from "./blocks.ts";

const pool = poolDocuments.parse({
  version: 1,
  cidrs: ["10.244.0.0/24", "fd00:10::/120"],
  excluded: ["10.244.0.64/31", "10.244.0.70/32"],
});

function block(text: string) {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

test("a block's name is one that every store can take", () => {
  expect(blockName(block("10.244.0.64/26"))).toBe("10.244.0.64-26");
  expect(blockName(block("fd00:10::40/122"))).toBe("fd00-10--40-122");
  for (const name of ["10.244.0.64-26", "fd00-10--40-122"]) expect(blockName(block(blockCidr(name)))).toBe(name);
});

describe("freeBlock", () => {
  const all = (family: 4 | 6, seed: bigint) => {
    const taken = new Set<string>();
    for (;;) {
      const found = freeBlock(pool, family, (name) => taken.has(name), seed);
      if (found === undefined) return [...taken];
      expect(taken.has(blockName(found))).toBe(false);
      taken.add(blockName(found));
    }
  };

  test("finds each block of the pool once, beginning where the seed says", () => {
    expect(all(4, 0n)).toEqual(["10.244.0.0-26", "10.244.0.64-26", "10.244.0.128-26", "10.244.0.192-26"]);
    expect(all(4, 6n)).toEqual(["10.244.0.128-26", "10.244.0.192-26", "10.244.0.0-26", "10.244.0.64-26"]);
    expect(all(6, 3n)).toEqual(["fd00-10--c0-122", "fd00-10---122", "fd00-10--40-122", "fd00-10--80-122"]);
  });

  test("finds none in a family that the pool has not", () => {
    expect(freeBlock({ ...pool, cidrs: ["10.0.0.0/24"] }, 6, () => false, 0n)).toBeUndefined();
  });

  test("finds one at once in a pool of more blocks than anybody could try", () => {
    const vast = { ...pool, cidrs: ["fd00::/16"] };
    expect(freeBlock(vast, 6, () => false, 2n ** 64n - 1n)).toMatchObject({ bits: 122 });
  });
});

describe("usableAddresses", () => {
  test("are all but the pool's first and last, and the excluded ones", () => {
    const first = usableAddresses(pool, block("10.244.0.0/26"));
    expect([first.length, first[0], first.at(-1)]).toEqual([63, "10.244.0.1", "10.244.0.63"]);
    const second = usableAddresses(pool, block("10.244.0.64/26"));
    expect(second.slice(0, 5)).toEqual(["10.244.0.66", "10.244.0.67", "10.244.0.68", "10.244.0.69", "10.244.0.71"]);
    const last = usableAddresses(pool, block("10.244.0.192/26"));
    expect([last.length, last.at(-1)]).toEqual([63, "10.244.0.254"]);
  });

  test("in IPv6 there is no broadcast address to leave out", () => {
    const last = usableAddresses(pool, block("fd00:10::c0/122"));
    expect([last.length, last.at(-1)]).toEqual([64, "fd00:10::ff"]);
    expect(usableAddresses(pool, block("fd00:10::/122"))[0]).toBe("fd00:10::1");
  });
});

test("an address leads to its block, and another pool's to none", () => {
  const of = (text: string) => {
    const ip = parseIp(text);
    const found = ip && blockOf(pool, ip);
    return found && formatCidr(found);
  };
  expect(of("10.244.0.77")).toBe("10.244.0.64/26");
  expect(of("fd00:10::1")).toBe("fd00:10::/122");
  expect(of("10.245.0.1")).toBeUndefined();
});
