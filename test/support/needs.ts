/** What a test needs of the machine; where it is missing the test is skipped, and its name says why. */

import { test } from "bun:test";
import { appendFileSync } from "node:fs";

/** Says what is missing, or undefined when it is there. */
export type Need = () => string | undefined;

type TestFunction = (name: string, work: () => void | Promise<void>, timeout?: number) => void;

/** `test`, or a function that registers the test as skipped and prints the reason where one of the needs is not met. */
export function needs(...list: readonly Need[]): TestFunction {
  for (const need of list) {
    const missing = need();
    if (missing === undefined) continue;
    return (name, work) => {
      const shown = `${name} [skipped: ${missing}]`;
      console.warn(shown);
      // The test command gathers the reasons for its last lines.
      if (process.env.TENDRIL_TEST_SKIPS) appendFileSync(process.env.TENDRIL_TEST_SKIPS, `${shown}\n`);
      test.skip(shown, work);
    };
  }
  return (name, work, timeout) => test(name, work, timeout);
}

/** The tests change network namespaces and sysctls. */
export const root: Need = () => (process.getuid?.() === 0 ? undefined : "not run as root");

/** An executable on PATH. */
export function program(name: string): Need {
  return () => (Bun.which(name) === null ? `no program "${name}" on PATH` : undefined);
}

/** A C compiler that finds these headers. */
export function headers(...names: readonly string[]): Need {
  return () => {
    if (Bun.which("gcc") === null) return `no program "gcc" on PATH`;
    const source = names.map((name) => `#include <${name}>\n`).join("");
    const compiled = Bun.spawnSync(["gcc", "-E", "-"], { stdin: Buffer.from(source), stdout: "ignore" });
    return compiled.exitCode === 0 ? undefined : `gcc lacks one of the headers ${names.join(", ")}`;
  };
}
