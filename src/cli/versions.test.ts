import { expect, test } from "bun:test";
import { isOlder } from "./versions.ts";

test("versions are in the order of their numbers, and what comes before a release is older than it", () => {
  const ordered = ["0.1.0-rc.2", "0.1.0-rc.10", "0.1.0", "0.2.0", "0.10.0", "1.0.0-alpha", "1.0.0", "1.0.1"];
  for (const [i, version] of ordered.entries()) {
    for (const [j, other] of ordered.entries())
      expect({ version, other, older: isOlder(version, other) }).toEqual({ version, other, older: i < j });
  }
});

test("builds of one version are of one age", () => {
  expect(isOlder("1.0.0+a", "1.0.0+b")).toBe(false);
  expect(isOlder("1.0.0+b", "1.0.0+a")).toBe(false);
});
