import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatCidr, lastAddress, networkAddress, parseCidr } from "../core/cidr.ts";
import { parseIp } from "../core/ip.ts";
import { spans } from "./spans.ts";

const of = (first: string, last: string) => {
  const [from, to] = [parseIp(first), parseIp(last)];
  return from && to ? spans(from.family, from.value, to.value).map(formatCidr) : [];
};

test("a span is the fewest networks that make it up", () => {
  expect(of("10.0.0.0", "10.0.0.255")).toEqual(["10.0.0.0/24"]);
  expect(of("10.0.0.1", "10.0.0.6")).toEqual(["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]);
  expect(of("10.0.0.9", "10.0.0.8")).toEqual([]);
  expect(of("0.0.0.0", "255.255.255.255")).toEqual(["0.0.0.0/0"]);
  expect(of("fd00::1", "fd00::1")).toEqual(["fd00::1/128"]);
});

test("its networks follow each other from the first to the last", () => {
  const number = fc.bigInt({ min: 0n, max: 0xffffffffn });
  fc.assert(
    fc.property(number, number, (a, b) => {
      let next = a;
      for (const network of spans(4, a, b)) {
        expect(parseCidr(formatCidr(network))).toEqual(network);
        expect(networkAddress(network).value).toBe(next);
        next = lastAddress(network).value + 1n;
      }
      expect(next).toBe(a <= b ? b + 1n : a);
    }),
  );
});
