import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatCidr, lastAddress, networkAddress, networkOf } from "../../core/cidr.ts";
import { cidrOf } from "../../core/cluster.ts";
import { usableAddresses } from "./blocks.ts";
import { poolCapacity } from "./capacity.ts";

test("is what the blocks have together", () => {
  const pool = fc.record({
    bits: fc.integer({ min: 24, max: 32 }),
    block: fc.integer({ min: 0, max: 8 }),
    isSix: fc.boolean(),
    gateways: fc.boolean(),
    excluded: fc.array(fc.tuple(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 24, max: 32 })), { maxLength: 4 }),
  });
  fc.assert(
    fc.property(pool, ({ bits, block, isSix, gateways, excluded }) => {
      const more = isSix ? 96 : 0;
      const base = isSix ? "fd00::a00:" : "10.0.";
      const at = (index: number) => (isSix ? `${base}${index.toString(16)}` : `${base}${index >> 8}.${index & 255}`);
      const network = formatCidr(networkOf(cidrOf(`${at(256)}/${bits + more}`)));
      const length = Math.min(bits + block, gateways ? 31 : 32) + more;
      fc.pre(length >= bits + more);
      const record = {
        cidrs: [network],
        blockBits: { ipv4: isSix ? 26 : length, ipv6: isSix ? length : 122 },
        excluded: excluded.map(([index, prefix]) => `${at(index)}/${prefix + more}`),
        gateways,
      };
      const family = isSix ? 6 : 4;
      const whole = cidrOf(network);
      let count = 0;
      const step = 1n << BigInt((isSix ? 128 : 32) - length);
      for (let value = networkAddress(whole).value; value <= lastAddress(whole).value; value += step) {
        count += usableAddresses(record, { ip: { family, value }, bits: length }).length;
      }
      expect(poolCapacity(record, family)).toBe(BigInt(count));
    }),
    { numRuns: 300 },
  );
});

test("of IPv6 is counted without naming the addresses", () => {
  const pool = {
    cidrs: ["fd00:10::/48"],
    blockBits: { ipv4: 26, ipv6: 122 },
    excluded: ["fd00:10::/64"],
    gateways: false,
  };
  expect(poolCapacity(pool, 6)).toBe(2n ** 80n - 2n ** 64n);
  expect(poolCapacity(pool, 4)).toBe(0n);
});
