/** What a test needs of the machine; where it is missing the test is skipped, and its name says why. */

import { test } from "bun:test";
import { appendFileSync } from "node:fs";
import { IN_VM, insideVm, vm } from "./vm.ts";

/** Says what is missing, or undefined when it is there. */
export type Need = () => string | undefined;

/** A need of the kernel. The vm suite's meets it. See kernel.ts. */
export type KernelNeed = Need & { readonly feature: string };

type TestFunction = (name: string, work: () => void | Promise<void>, timeout?: number) => void;

/** What the kernel outside has, on which the tests that need no more have been run. */
const outside = process.env.TENDRIL_TEST_OUTSIDE?.split(",") ?? [];

/**
 * `test`, or a function that registers the test as skipped and prints the reason where one of the needs is not met.
 *
 * A need of the kernel is another matter: in the virtual machine a test fails without it, and only a test that has one
 * which the kernel outside does not meet is run there; before the virtual machine's turn the test is left to it.
 */
export function needs(...list: readonly Need[]): TestFunction {
  if (insideVm && !list.some((need) => isOfKernel(need) && !outside.includes(need.feature))) return () => {};
  for (const need of list) {
    const missing = need();
    if (missing === undefined) continue;
    if (!isOfKernel(need)) return skip(missing);
    if (insideVm) return failing(missing);
    if (vm === "follows") return (name) => console.warn(`${name} [left to the vm suite: ${missing}]`);
    return skip(`${missing} (the vm suite runs it)`);
  }
  return insideVm
    ? (name, work, timeout) => test(`${name}${IN_VM}`, work, timeout)
    : (name, work, timeout) => test(name, work, timeout);
}

function isOfKernel(need: Need): need is KernelNeed {
  return "feature" in need;
}

function skip(reason: string): TestFunction {
  return (name, work) => {
    const shown = `${name} [skipped: ${reason}]`;
    console.warn(shown);
    // The test command gathers the reasons for its last lines.
    if (process.env.TENDRIL_TEST_SKIPS) appendFileSync(process.env.TENDRIL_TEST_SKIPS, `${shown}\n`);
    test.skip(insideVm ? `${shown}${IN_VM}` : shown, work);
  };
}

function failing(missing: string): TestFunction {
  return (name) =>
    test(`${name}${IN_VM}`, () => {
      throw new Error(`The virtual machine is there for this test, but ${missing}`);
    });
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
