import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";
import fc from "fast-check";
import {
  addressBits,
  canonicalAddress,
  compareIp,
  type Family,
  familyOf,
  formatIp,
  formatIpBytes,
  type Ip,
  ipFromBytes,
  ipToBytes,
  parseIp,
  parseIpBytes,
} from "./ip.ts";

/** Reads an address character by character, with one number as its state: slow, and alike to nothing in `ip.ts`. */
function modelParse(text: string): { family: Family; value: bigint } | undefined {
  if (!text.includes(":")) {
    const octets = text.split(".").map((part) => ["0", ...range(1, 255)].indexOf(part));
    if (octets.length !== 4 || octets.includes(-1)) return undefined;
    return { family: 4, value: octets.reduce((sum, octet) => sum * 256n + BigInt(octet), 0n) };
  }
  let rest = text;
  const dotted = /[^:]*\.[^:]*$/.exec(text)?.[0];
  if (dotted !== undefined) {
    const v4 = modelParse(dotted);
    if (v4?.family !== 4) return undefined;
    rest = `${text.slice(0, -dotted.length)}${(v4.value >> 16n).toString(16)}:${(v4.value & 0xffffn).toString(16)}`;
  }
  const groups: string[] = [];
  // Each number of zero groups that "::" can stand for is tried.
  for (let zeros = rest.includes("::") ? 1 : 0; zeros <= 8; zeros++) {
    const filled = rest.replace("::", `:${"0:".repeat(zeros)}`).replace(/^:(?=[^:])|(?<=[^:]):$/g, (colon, at) => {
      const atStart = at === 0;
      return (atStart ? rest.startsWith("::") : rest.endsWith("::")) ? "" : colon;
    });
    const parts = filled.split(":");
    if (parts.length === 8) groups.push(...parts);
    if (parts.length === 8 || !rest.includes("::")) break;
  }
  if (groups.length !== 8 || !groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const value = groups.reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n);
  return value >> 32n === 0xffffn ? { family: 4, value: value & 0xffffffffn } : { family: 6, value };
}

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
}

/** The shortest of all ways to write eight groups, the leftmost of equals. */
function modelFormat(groups: readonly number[]): string {
  const hex = groups.map((group) => group.toString(16));
  const best = hex.join(":");
  for (let run = 8; run >= 2; run--) {
    for (let start = 0; start + run <= 8; start++) {
      if (!groups.slice(start, start + run).every((group) => group === 0)) continue;
      return `${hex.slice(0, start).join(":")}::${hex.slice(start + run).join(":")}`;
    }
  }
  return best;
}

const sparseGroups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
  minLength: 8,
  maxLength: 8,
});

function bytesOf(groups: readonly number[]): Uint8Array {
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** Text that looks like an address, is one, or nearly is. */
const addressLike = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  sparseGroups.map((groups) => modelFormat(groups)),
  fc.string({ unit: fc.constantFrom(..."0123456789abcdefF:.:::.."), maxLength: 24 }),
  fc
    .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(40), fc.constantFrom("", ":", "::", ".", "0", "f", "1.2.3.4", "%1"))
    .map(([text, at, put]) => text.slice(0, at) + put + text.slice(at + 1)),
  fc.tuple(fc.ipV6(), fc.ipV4()).map(([v6, v4]) => v6.replace(/[^:]*$/, v4)),
);

describe("parseIp", () => {
  test.each([
    ["0.0.0.0", 4, 0n],
    ["10.1.0.5", 4, 0x0a010005n],
    ["255.255.255.255", 4, 0xffffffffn],
    ["::", 6, 0n],
    ["::1", 6, 1n],
    ["1::", 6, 1n << 112n],
    ["FE80::AbCd", 6, 0xfe80_0000_0000_0000_0000_0000_0000_abcdn],
    ["1:2:3:4:5:6:7:8", 6, 0x0001_0002_0003_0004_0005_0006_0007_0008n],
    ["1:2:3:4:5:6:7::", 6, 0x0001_0002_0003_0004_0005_0006_0007_0000n],
    ["64:ff9b::192.0.2.33", 6, 0x0064_ff9b_0000_0000_0000_0000_c000_0221n],
    ["::ffff:192.0.2.33", 4, 0xc0000221n],
    ["::ffff:c000:221", 4, 0xc0000221n],
  ] as const)("reads %p as its number", (text, family, value) => {
    expect(parseIp(text)).toEqual({ family, value });
  });

  test.each([
    "",
    ".",
    ":",
    ":::",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2.3.-4",
    "0x1.2.3.4",
    "1.2.3.4/8",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "::1:2:3:4:5:6:7:8",
    "1::2::3",
    ":1::2",
    "12345::",
    "g::",
    "fe80::1%eth0",
    "[::1]",
    "1.2.3.4::",
    "1:2.3.4.5::",
    "::1.2.3.4:5",
    "::1.2.3",
    "1:2:3:4:5:6:7:1.2.3.4",
    "٣.1.1.1",
  ])("refuses %p", (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  test("takes exactly the texts that the operating system's parser takes, zones apart", () => {
    fc.assert(
      fc.property(addressLike, (text) => {
        fc.pre(!text.includes("%"));
        expect({ text, taken: parseIpBytes(text)?.length }).toEqual({
          text,
          taken: { 0: undefined, 4: 4, 6: 16 }[isIP(text)],
        });
      }),
      { numRuns: 5_000 },
    );
  });

  test("agrees with a slow model on any text", () => {
    fc.assert(
      fc.property(addressLike, (text) => {
        expect({ text, ip: parseIp(text) }).toEqual({ text, ip: modelParse(text) });
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("formatIp", () => {
  test.each([
    ["0.0.0.0", "0.0.0.0"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["2001:0db8:0:0:0:0:0:1", "2001:db8::1"],
    // A single group of zeros is not shortened.
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    // The longest run is, and the first of two that are equally long.
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["FE80::ABCD", "fe80::abcd"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
  ])("writes %p as %p", (text, expected) => {
    expect(formatIp(parseIp(text) as Ip)).toBe(expected);
  });

  test("writes sixteen bytes as the shortest text of a slow model", () => {
    fc.assert(
      fc.property(sparseGroups, (groups) => {
        fc.pre(!(groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff));
        expect(formatIpBytes(bytesOf(groups))).toBe(modelFormat(groups));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["FD00:0:0::1/64", "fd00::1/64"],
    ["::172.20.1.12", "::ac14:10c"],
    ["default", "default"],
  ])("writes %s as %s, as the kernel tells it", (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  test("keeps sixteen bytes of an IPv4-mapped address as IPv6 text that comes back to them", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (v4) => {
        const bytes = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...v4);
        const text = formatIpBytes(bytes);
        expect(text).toBe(`::ffff:${v4.join(".")}`);
        expect(familyOf(text)).toBe(6);
        expect(parseIpBytes(text)).toEqual(bytes);
        expect(parseIp(text)).toEqual(ipFromBytes(v4));
      }),
    );
  });

  test("comes back to the same bytes for any address", () => {
    const bytes = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), sparseGroups.map(bytesOf));
    fc.assert(
      fc.property(bytes, (address) => {
        expect(parseIpBytes(formatIpBytes(address))).toEqual(address);
      }),
      { numRuns: 2_000 },
    );
  });

  test("refuses bytes that are no address", () => {
    expect(() => formatIpBytes(new Uint8Array(5))).toThrow(RangeError);
  });
});

describe("addresses as numbers", () => {
  const anyIp: fc.Arbitrary<Ip> = fc.oneof(
    fc.bigInt({ min: 0n, max: 0xffffffffn }).map((value) => ({ family: 4 as const, value })),
    fc
      .bigInt({ min: 0n, max: (1n << 128n) - 1n })
      .filter((value) => value >> 32n !== 0xffffn)
      .map((value) => ({ family: 6 as const, value })),
  );

  test("survive the way through bytes and through text", () => {
    fc.assert(
      fc.property(anyIp, (ip) => {
        expect(ipToBytes(ip).length * 8).toBe(addressBits(ip.family));
        expect(ipFromBytes(ipToBytes(ip))).toEqual(ip);
        expect(parseIp(formatIp(ip))).toEqual(ip);
        expect(familyOf(formatIp(ip))).toBe(ip.family);
      }),
      { numRuns: 2_000 },
    );
  });

  test("compare as their bytes do, all of IPv4 before IPv6", () => {
    fc.assert(
      fc.property(anyIp, anyIp, (a, b) => {
        const byBytes = a.family === b.family ? Buffer.compare(ipToBytes(a), ipToBytes(b)) : a.family - b.family;
        expect(Math.sign(compareIp(a, b))).toBe(Math.sign(byBytes));
        expect(compareIp(a, a)).toBe(0);
      }),
    );
  });
});
