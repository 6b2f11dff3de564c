import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Cidr, cidrContains, formatCidr, lastAddress, networkAddress, networkOf, parseCidr } from "./cidr.ts";
import { addressBits, formatIp, type Ip, parseIp } from "./ip.ts";

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`"${text}" is not in CIDR notation`);
  return parsed;
}

const anyCidr: fc.Arbitrary<Cidr> = fc
  .constantFrom(4 as const, 6 as const)
  .chain((family) =>
    fc.record({
      ip: fc.bigInt({ min: 0n, max: (1n << BigInt(addressBits(family))) - 1n }).map((value): Ip => ({ family, value })),
      bits: fc.integer({ min: 0, max: addressBits(family) }),
    }),
  )
  .filter(({ ip }) => ip.family === 4 || ip.value >> 32n !== 0xffffn);

/** The address as a string of zeros and ones. */
function binary(ip: Ip): string {
  return ip.value.toString(2).padStart(addressBits(ip.family), "0");
}

describe("parseCidr", () => {
  test.each([
    ["10.1.2.3/16", "10.1.2.3/16"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["10.0.0.1/32", "10.0.0.1/32"],
    ["FD00::1/64", "fd00::1/64"],
    ["::/0", "::/0"],
    ["::1/128", "::1/128"],
    // A prefix of IPv4-mapped addresses is an IPv4 prefix.
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
    ["::ffff:10.0.0.1/128", "10.0.0.1/32"],
  ])("reads %p as %p", (text, expected) => {
    expect(formatCidr(cidr(text))).toBe(expected);
  });

  test.each([
    "",
    "/",
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/ 8",
    "10.0.0.0/8 ",
    "10.0.0.0/1e1",
    "10.0.0.0/8/8",
    "10.0.0.0/255.0.0.0",
    "10.0.0/8",
    "::/129",
    // Wider than the IPv4-mapped addresses: neither an IPv4 prefix nor anything that 10.0.0.1/24 says.
    "::ffff:10.0.0.1/24",
  ])("refuses %p", (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  test("comes back from the text of any prefix", () => {
    fc.assert(
      fc.property(anyCidr, (value) => {
        expect(parseCidr(formatCidr(value))).toEqual(value);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("prefixes", () => {
  test.each([
    ["10.1.2.3/24", "10.1.2.0", "10.1.2.255"],
    ["10.1.2.3/31", "10.1.2.2", "10.1.2.3"],
    ["10.1.2.3/32", "10.1.2.3", "10.1.2.3"],
    ["10.1.2.3/0", "0.0.0.0", "255.255.255.255"],
    ["fd00::1:5/112", "fd00::1:0", "fd00::1:ffff"],
    ["fd00::5/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ])("%s reaches from %s to %s", (text, first, last) => {
    expect(formatIp(networkAddress(cidr(text)))).toBe(first);
    expect(formatIp(lastAddress(cidr(text)))).toBe(last);
    expect(formatCidr(networkOf(cidr(text)))).toBe(`${first}/${cidr(text).bits}`);
  });

  test("have the bits of the address and then zeros, or ones", () => {
    fc.assert(
      fc.property(anyCidr, (value) => {
        const all = addressBits(value.ip.family);
        const network = binary(value.ip).slice(0, value.bits);
        expect(binary(networkAddress(value))).toBe(network.padEnd(all, "0"));
        expect(binary(lastAddress(value))).toBe(network.padEnd(all, "1"));
      }),
      { numRuns: 1_000 },
    );
  });

  test("contain just the addresses that begin with their bits", () => {
    fc.assert(
      fc.property(anyCidr, anyCidr, fc.nat(128), (value, other, flipped) => {
        const near: Ip = {
          family: value.ip.family,
          value: value.ip.value ^ (1n << BigInt(flipped % addressBits(value.ip.family))),
        };
        for (const ip of [value.ip, near, other.ip]) {
          const same = binary(ip).slice(0, value.bits) === binary(value.ip).slice(0, value.bits);
          expect(cidrContains(value, ip)).toBe(ip.family === value.ip.family && same);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("of one family contain no address of the other", () => {
    expect(cidrContains(cidr("0.0.0.0/0"), parseIp("::1") as Ip)).toBe(false);
    expect(cidrContains(cidr("::/0"), parseIp("10.0.0.1") as Ip)).toBe(false);
  });
});
