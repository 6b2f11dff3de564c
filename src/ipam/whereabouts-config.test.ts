import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { cidrContains, parseCidr } from "../core/cidr.ts";
import { cidrOf } from "../core/cluster.ts";
import { parseIp } from "../core/ip.ts";
import { blockName, blockOf, usableAddresses } from "./cluster/blocks.ts";
import { offGrid } from "./cluster/grid.ts";
import { networkConfig } from "./test-support/call.ts";
import { parseWhereabouts, type WhereaboutsRange } from "./whereabouts-config.ts";

const parse = (ipam: Record<string, unknown>, more = {}, args: Record<string, string> = {}) =>
  parseWhereabouts(networkConfig({ type: "whereabouts", ...ipam }, more), new Map(Object.entries(args)));
const one = (ipam: Record<string, unknown>): WhereaboutsRange => parse(ipam).ranges[0] as WhereaboutsRange;

/** All addresses that a range can give. */
function addresses({ record }: WhereaboutsRange): string[] {
  return record.cidrs.flatMap((cidr) => usableAddresses(record, cidrOf(cidr)));
}

describe("a range", () => {
  test("gives all but the network's own and its last address, the gateway, and what is excluded", () => {
    const range = one({
      range: "192.168.2.225/28",
      exclude: ["192.168.2.229/30", "192.168.2.236"],
      gateway: "192.168.2.226",
    });
    const ends = addresses(range).map((address) => Number(address.split(".")[3]));
    expect(ends).toEqual([225, 227, 232, 233, 234, 235, 237, 238]);
    expect(range).toMatchObject({ gateway: "192.168.2.226", record: { cidrs: ["192.168.2.224/28"], routed: false } });
  });

  test("begins and ends where range_start and range_end say, or its own text", () => {
    const expected = ["10.1.0.30", "10.1.0.31", "10.1.0.32", "10.1.0.33"];
    expect(addresses(one({ range: "10.1.0.0/16", range_start: "10.1.0.30", range_end: "10.1.0.33" }))).toEqual(
      expected,
    );
    const written = one({ range: "10.1.0.30-10.1.0.33/16" });
    expect(addresses(written)).toEqual(expected);
    expect(written.network.bits).toBe(16);
  });

  test("of IPv6, and one that is smaller than a block, has its part of the block", () => {
    expect(addresses(one({ range: "fd00::10/126" }))).toEqual(["fd00::11", "fd00::12"]);
    expect(addresses(one({ range: "10.0.0.9/32" }))).toEqual(["10.0.0.9"]);
    expect(addresses(one({ range: "10.0.0.4/30" }))).toEqual(["10.0.0.5", "10.0.0.6"]);
  });

  test("is the same pool wherever it is written the same, and another one under another name", () => {
    const range = { range: "10.1.0.0/16", exclude: ["10.1.0.0/30"] };
    expect(one(range).pool).toBe(one({ ...range, range: "10.1.0.7/16" }).pool);
    const others = [one(range), one({ ...range, network_name: "b" }), one({ ...range, exclude: [] })];
    expect(new Set(others.map(({ pool }) => pool)).size).toBe(3);
    expect(one(range).pool).toMatch(/^whereabouts\.10\.1\.0\.0-16\.[0-9a-f]{8}$/);
  });
});

test("several ranges give one address each, and addresses that are asked for are of them", () => {
  const parsed = parse(
    { range: "10.0.0.0/24", ipRanges: [{ range: "fd00::/64" }], routes: [{ dst: "0.0.0.0/0" }] },
    { runtimeConfig: { ips: ["fd00::7/64"] } },
    { IP: "10.0.0.9" },
  );
  expect(parsed.ranges.map(({ field }) => field)).toEqual(["ipam", "ipam.ipRanges[0]"]);
  expect(parsed.requested).toEqual(["10.0.0.9", "fd00::7"]);
  expect(parsed.routes).toEqual([{ dst: "0.0.0.0/0" }]);
});

test("what is wrong is named by its field", () => {
  const field = (ipam: Record<string, unknown>) => {
    try {
      parse(ipam);
    } catch (error) {
      return (error as { field?: string }).field;
    }
    return undefined;
  };
  expect(field({})).toBe("ipam.range");
  expect(field({ range: "10.0.0.0" })).toBe("ipam.range");
  expect(field({ range: "10.0.0.5-fd00::/64" })).toBe("ipam.range");
  expect(field({ range: "10.0.0.0/24", range_start: "10.0.1.1" })).toBe("ipam.range_start");
  expect(field({ range: "10.0.0.0/24", range_start: "10.0.0.9", range_end: "10.0.0.8" })).toBe("ipam.range_end");
  expect(field({ ipRanges: [{ range: "10.0.0.0/24", exclude: ["x"] }] })).toBe("ipam.ipRanges[0].exclude[0]");
  expect(field({ range: "10.0.0.0/24", ipRanges: [{ range: "10.0.0.0/24" }] })).toBe("ipam.ipRanges[0].range");
  expect(field({ range: "10.0.0.0/28", exclude: ["10.0.0.0/28"] })).toBe("ipam.range");
});

test("however ranges overlap, an address of several is of blocks of one name, and never of a pool of other blocks", () => {
  const text = fc.tuple(fc.integer({ min: 20, max: 32 }), fc.nat(4095)).map(([bits, host]) => {
    return `10.0.${host >> 8}.${host & 255}/${bits}`;
  });
  fc.assert(
    fc.property(text, text, fc.nat(4095), (a, b, host) => {
      const ip = parseIp(`10.0.${host >> 8}.${host & 255}`);
      const ranges = [a, b].flatMap((range) => {
        try {
          return [one({ range })];
        } catch {
          // The only address of a range of one may be one that no pod can have.
          return [];
        }
      });
      const names = ranges.flatMap(({ record }) => {
        const block = ip && blockOf(record, ip);
        return block === undefined ? [] : [blockName(block)];
      });
      expect(new Set(names).size).toBeLessThan(2);
      for (const { record, network } of ranges) {
        for (const address of usableAddresses(record, network)) {
          const parsed = parseIp(address);
          expect(parsed !== undefined && cidrContains(network, parsed)).toBe(true);
        }
      }
    }),
  );
  const { record } = one({ range: "10.0.0.0/24" });
  const coarse = { ...record, cidrs: ["10.0.0.0/16"], blockBits: { ipv4: 26, ipv6: 122 } };
  const value = (cidr: string) => [{ name: "default", value: { ...coarse, cidrs: [cidr] } }];
  expect(offGrid(value("10.0.0.0/16"), "w", record)).toEqual({ pool: "default", cidr: "10.0.0.0/16" });
  expect(offGrid(value("10.0.0.64/26"), "w", record)).toEqual({ pool: "default", cidr: "10.0.0.64/26" });
  expect(offGrid(value("10.1.0.0/16"), "w", record)).toBeUndefined();
  expect(offGrid(value("10.0.0.0/16"), "default", record)).toBeUndefined();
  expect(parseCidr(record.cidrs[0] ?? "")).toBeDefined();
});
