/** The numbers that we wrote down, compared with the kernel's headers. */

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { GENERIC, X86_64 } from "./system-calls.ts";

for (const [numbers, header] of [
  [X86_64, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"],
  [GENERIC, "/usr/include/asm-generic/unistd.h"],
] as const) {
  const why = existsSync(header) ? "" : ` (skipped: there is no ${header})`;
  describe.skipIf(why !== "")(`${header}${why}`, () => {
    for (const [name, number] of Object.entries(numbers)) {
      test(name, () => {
        const found = new RegExp(`^#define __NR_${name}\\s+(\\d+)$`, "m").exec(readFileSync(header, "utf8"));
        expect(Number(found?.[1])).toBe(number);
      });
    }
  });
}
