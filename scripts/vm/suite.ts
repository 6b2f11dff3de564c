/** The tests that need another kernel than this machine's, run in a virtual machine that has it. */

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { presentFeatures } from "../../test/support/kernel.ts";
import { IN_VM } from "../../test/support/vm.ts";
import { ANSWERS, runInVm, VmPanic, type VmParts } from "./machine.ts";

/**
 * After how long the machine is taken to hang. Its processor is emulated: the crash tests alone, which start a process
 * for each step of each plugin, take five minutes in it.
 */
const SECONDS = 1800;

/** Names of the files that the suite leaves for who asked for it. */
const REPORT = "junit.xml";
const SKIPS = "skips.txt";

const KERNEL_NEEDS = join(import.meta.dir, "../../test/support/kernel.ts");

export interface VmSuite {
  readonly vm: VmParts;
  /** The project's folder, and the test files from there. */
  readonly root: string;
  readonly files: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** A folder where one may be made for the time of the run. */
  readonly cache: string;
  readonly output: (bytes: Uint8Array) => void;
  readonly say: (line: string) => void;
}

export interface VmOutcome {
  readonly exitCode: number;
  /** The report and the reasons of skipped tests; empty where there are none. */
  readonly report: string;
  readonly skips: string;
}

/** Whether a test file has tests for the virtual machine: it imports what names needs of the kernel, or what does. */
export function isForVm(path: string): boolean {
  const seen = new Set([path]);
  // What is added on the way is gone through, too.
  for (const file of seen) for (const imported of importsOf(file)) seen.add(imported);
  return seen.has(KERNEL_NEEDS);
}

/** The files of the tests that a file imports. */
function importsOf(path: string): string[] {
  const found = readFileSync(path, "utf8").matchAll(/^(?:import|export|\}) .*from "(\.[^"]+)";$/gm);
  return [...found].map(([, name = ""]) => join(path, "..", name)).filter((one) => one.includes("/test/"));
}

/** Runs test files in the virtual machine. Throws where it comes to no end. */
export async function runVmSuite({ vm, root, files, environment, cache, output, say }: VmSuite): Promise<VmOutcome> {
  const answers = join(cache, `vm-run.${process.pid}`);
  mkdirSync(answers, { recursive: true });
  const variables = {
    PATH: process.env.PATH ?? "",
    HOME: process.env.HOME ?? "/root",
    NO_COLOR: "1",
    ...environment,
    TENDRIL_TEST_VM: "inside",
    TENDRIL_TEST_OUTSIDE: presentFeatures().join(","),
    TENDRIL_TEST_SKIPS: `${ANSWERS}/${SKIPS}`,
  };
  const pattern = `--test-name-pattern=${RegExp.escape(IN_VM)}`;
  const options = ["--timeout", "180000", pattern, "--reporter=junit", `--reporter-outfile=${ANSWERS}/${REPORT}`];
  const command = [process.execPath, "test", ...options, ...files.map((file) => `./${file}`)];
  const script = [
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`),
    `cd ${quote(root)}`,
    `exec ${command.map(quote).join(" ")}`,
  ];
  const run = { script: script.join("\n"), answers, seconds: SECONDS, output };
  try {
    let exitCode: number;
    try {
      exitCode = await runInVm(vm, run);
    } catch (error) {
      if (!(error instanceof VmPanic)) throw error;
      // The emulation of two processors is not without faults. What the tests do to the kernel happens with one, too.
      say(`${error.message}\nOnce more, with one processor …`);
      exitCode = await runInVm(vm, { ...run, processors: 1 });
    }
    return { exitCode, report: read(join(answers, REPORT)), skips: read(join(answers, SKIPS)) };
  } finally {
    rmSync(answers, { recursive: true, force: true });
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
