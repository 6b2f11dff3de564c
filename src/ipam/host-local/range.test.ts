import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Cidr, parseCidr } from "../../core/cidr.ts";
import { ConfigError } from "../../core/errors.ts";
import { type Ip, parseIp } from "../../core/ip.ts";
import {
  checkSetsApart,
  countLeasable,
  formatRange,
  formatRangeSet,
  isLeasable,
  makeRange,
  makeRangeSet,
  rangeOf,
} from "./range.ts";

const ip = (text: string): Ip => {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(`"${text}" is no address`);
  return parsed;
};
const subnet = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`"${text}" is no subnet`);
  return parsed;
};
const range = (text: string, first?: string, last?: string, gateway?: string, field = "r") =>
  makeRange(
    {
      subnet: subnet(text),
      rangeStart: first === undefined ? undefined : ip(first),
      rangeEnd: last === undefined ? undefined : ip(last),
      gateway: gateway === undefined ? undefined : ip(gateway),
    },
    field,
  );

describe("makeRange", () => {
  const defaults: [string, string, string, bigint][] = [
    ["192.0.2.0/24", "192.0.2.1-192.0.2.254", "192.0.2.1", 253n],
    ["192.0.2.0/30", "192.0.2.1-192.0.2.2", "192.0.2.1", 1n],
    ["2001:db8::/126", "2001:db8::1-2001:db8::3", "2001:db8::1", 2n],
    ["2001:db8::/64", "2001:db8::1-2001:db8::ffff:ffff:ffff:ffff", "2001:db8::1", 2n ** 64n - 2n],
  ];
  for (const [text, bounds, gateway, count] of defaults) {
    test(`leases ${bounds} of ${text} without its gateway`, () => {
      const made = range(text);
      expect(formatRange(made)).toBe(bounds);
      expect(made.gateway).toEqual(ip(gateway));
      expect(countLeasable(makeRangeSet([made], "s"))).toBe(count);
    });
  }

  test("counts a gateway that lies outside of the bounds for nothing", () => {
    expect(countLeasable(makeRangeSet([range("192.0.2.0/24", "192.0.2.10", "192.0.2.19")], "s"))).toBe(10n);
    expect(countLeasable(makeRangeSet([range("192.0.2.0/24", "192.0.2.1", "192.0.2.1")], "s"))).toBe(0n);
  });

  test("takes the network's own address and the broadcast address when they are asked for", () => {
    expect(formatRange(range("192.0.2.0/24", "192.0.2.0", "192.0.2.255"))).toBe("192.0.2.0-192.0.2.255");
  });

  const refused: [string, () => unknown, string, string][] = [
    ["a /31", () => range("192.0.2.0/31"), "r.subnet", "too small"],
    ["a /32", () => range("192.0.2.1/32"), "r.subnet", "too small"],
    ["a /127", () => range("2001:db8::/127"), "r.subnet", "too small"],
    ["host bits", () => range("192.0.2.9/24"), "r.subnet", "192.0.2.0/24"],
    ["a first address elsewhere", () => range("192.0.2.0/24", "192.0.3.1"), "r.rangeStart", '"192.0.3.1"'],
    ["a first address of the other family", () => range("192.0.2.0/24", "::1"), "r.rangeStart", '"::1"'],
    ["a last address elsewhere", () => range("192.0.2.0/24", undefined, "192.0.3.1"), "r.rangeEnd", '"192.0.3.1"'],
    ["a last before the first", () => range("192.0.2.0/24", "192.0.2.9", "192.0.2.8"), "r.rangeEnd", '"192.0.2.8"'],
    ["a first behind the default last", () => range("192.0.2.0/24", "192.0.2.255"), "r.rangeStart", "192.0.2.254"],
    ["a last before the default first", () => range("192.0.2.0/24", undefined, "192.0.2.0"), "r.rangeEnd", "192.0.2.1"],
    ["a gateway of the other family", () => range("192.0.2.0/24", undefined, undefined, "::1"), "r.gateway", '"::1"'],
  ];
  for (const [what, make, field, shown] of refused) {
    test(`refuses ${what}`, () => expectConfigError(make, field, shown));
  }
});

describe("makeRangeSet", () => {
  test("refuses a set without ranges", () => expectConfigError(() => makeRangeSet([], "s"), "s", "[]"));

  test("refuses two families in one set", () => {
    const ranges = [range("192.0.2.0/24"), range("2001:db8::/64", undefined, undefined, undefined, "s[1]")];
    expectConfigError(() => makeRangeSet(ranges, "s"), "s[1].subnet", "2001:db8::/64");
  });

  const one = range("192.0.2.0/24", "192.0.2.10", "192.0.2.20", undefined, "s[0]");
  for (const [first, last] of [
    ["192.0.2.20", "192.0.2.30"],
    ["192.0.2.1", "192.0.2.10"],
    ["192.0.2.12", "192.0.2.13"],
    ["192.0.2.1", "192.0.2.100"],
  ]) {
    test(`refuses ${first}-${last} beside ${formatRange(one)}, in one set or in two`, () => {
      const other = range("192.0.2.0/24", first, last, undefined, "s[1]");
      expectConfigError(() => makeRangeSet([one, other], "s"), "s[1]", 'overlaps with "s[0]"');
      const sets = [makeRangeSet([one], "s"), makeRangeSet([other], "t")];
      expectConfigError(() => checkSetsApart(sets), "s[1]", 'overlaps with "s[0]"');
    });
  }

  test("takes ranges that touch", () => {
    const set = makeRangeSet([one, range("192.0.2.0/24", "192.0.2.21", "192.0.2.30")], "s");
    expect(formatRangeSet(set)).toBe("192.0.2.10-192.0.2.20, 192.0.2.21-192.0.2.30");
    expect(countLeasable(set)).toBe(21n);
  });

  test("takes sets of both families that share no address although their numbers overlap", () => {
    expect(() =>
      checkSetsApart([makeRangeSet([range("0.0.0.0/24")], "s"), makeRangeSet([range("::/120")], "t")]),
    ).not.toThrow();
  });
});

test("an address is leasable exactly when it is in a range and not that range's gateway", () => {
  fc.assert(
    fc.property(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255), (a, b, gateway, probe) => {
      const [low, high] = a < b ? [a, b] : [b, a];
      const made = range("192.0.2.0/24", `192.0.2.${low}`, `192.0.2.${high}`, `192.0.2.${gateway}`);
      const set = makeRangeSet([made], "s");
      const address = ip(`192.0.2.${probe}`);
      expect(rangeOf(set, address) !== undefined).toBe(low <= probe && probe <= high);
      expect(isLeasable(set, address)).toBe(low <= probe && probe <= high && probe !== gateway);
      expect(isLeasable(set, { family: 6, value: address.value })).toBe(false);
    }),
  );
});

function expectConfigError(work: () => unknown, field: string, shown: string): void {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    const { field: named, message } = error as ConfigError;
    expect(named).toBe(field);
    expect(message).toContain(shown);
    return;
  }
  throw new Error("It was not refused");
}
