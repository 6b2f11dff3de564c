import { expect, test } from "bun:test";
import { pauseAfter } from "./probing.ts";

test("a node that is not reached is probed again soon, then ever more seldom", () => {
  expect([0, 1, 2, 3, 4, 5, 6, 2000].map((failures) => pauseAfter(failures) / 1000)).toEqual([
    600, 1, 2, 4, 8, 15, 15, 15,
  ]);
});
