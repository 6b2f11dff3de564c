import { expect, test } from "bun:test";
import { readFileSync, readlinkSync } from "node:fs";
import { releaseExecutablePages } from "./executable-pages.ts";

/** How much of the executable's code is in memory, in kB. */
function residentCode(): number {
  const executable = readlinkSync("/proc/self/exe");
  const code = readFileSync("/proc/self/smaps", "latin1")
    .split(/^(?=[0-9a-f]+-)/m)
    .find((mapping) => mapping.includes(" r-xp ") && mapping.split("\n")[0]?.endsWith(executable));
  return Number(/^Rss: +(\d+) kB$/m.exec(code ?? "")?.[1]);
}

test("code that is not needed any more leaves memory, and the process goes on", () => {
  const before = residentCode();
  expect(before).toBeGreaterThan(0);
  releaseExecutablePages();
  expect(residentCode()).toBeLessThan(before);
  // What is released comes back when it is used.
  expect(JSON.parse(JSON.stringify([..."abc"].map((letter) => letter.toUpperCase())))).toEqual(["A", "B", "C"]);
  expect(new Intl.NumberFormat("en").format(1234.5)).toBe("1,234.5");
});
