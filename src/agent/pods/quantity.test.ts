import { expect, test } from "bun:test";
import { parseQuantity } from "./quantity.ts";

test("a quantity is a number with a suffix of ten, of two, or an exponent, and a fraction is rounded up", () => {
  expect(["5", "1.5k", "10M", "2Gi", "12e6", "1E3", "1E", "1500m", ".5k", "100u"].map(parseQuantity)).toEqual([
    5, 1500, 10_000_000, 2_147_483_648, 12_000_000, 1000, 1e18, 2, 500, 1,
  ]);
});

test("what is none is not taken for one", () => {
  expect(["", "M", "10 M", "10MB", "1e", "ten", "0x10", "1.2.3", "10mi"].map(parseQuantity)).toEqual(
    Array(9).fill(undefined),
  );
});
