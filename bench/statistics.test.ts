import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { median, quantile } from "./statistics.ts";

describe("quantile", () => {
  test("takes the number in the middle, or halfway between the two", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([10, 20, 30, 40, 50], 0.95)).toBeCloseTo(48);
    expect(median([])).toBeNaN();
  });

  test("has its share of the numbers at or below it, and the rest at or above", () => {
    const numbers = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (list, share) => {
        const value = quantile(list, share);
        const below = list.filter((number) => number < value).length;
        const above = list.filter((number) => number > value).length;
        expect(below).toBeLessThanOrEqual(Math.ceil((list.length - 1) * share));
        expect(above).toBeLessThanOrEqual(list.length - 1 - Math.floor((list.length - 1) * share));
      }),
    );
  });
});
