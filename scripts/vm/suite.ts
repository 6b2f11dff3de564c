/** The tests that need another kernel than this machine's, run in a virtual machine that has it. */

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { presentFeatures } from "../../test/support/kernel.ts";
import { IN_VM } from "../../test/support/vm.ts";
import { filesWith, readLeft } from "../report.ts";
import { ANSWERS, runInVm, type VmParts } from "./machine.ts";

/** After how long a machine is taken to hang. Its processor is emulated, and others may want the host's. */
const SECONDS = 1800;

/** So many machines share the work, each with one of the host's processors. */
const MACHINES = 2;

/** So many files of those that take seconds are run by one process, whose start is dear. */
const BATCH = 6;

/** The suites whose files take longer than its start: each is run by itself, and before the others. */
const LONG = /\.(cluster|crash|interop)\.test\.ts$/;

/** What a machine prints when a batch of files has come to its end. @see ascii(7) */
const RECORD_SEPARATOR = 0x1e;

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
  /** Whether all batches of files ended well. */
  readonly ok: boolean;
  /** Each batch's report, empty where it has left none, and the reasons of skipped tests. */
  readonly reports: readonly string[];
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

/** Runs test files in virtual machines. What a machine that came to no end has left undone has no report. */
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
  };
  const batches = batchesOf(withTests(root, files, variables, join(answers, "listing.xml")));
  const script = [
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`),
    `cd ${quote(root)}`,
    "status=0",
    // A folder is made by one of them only, who then does what it stands for.
    `take() { mkdir ${ANSWERS}/taken.$1 2>/dev/null; }`,
    ...batches.map((batch, i) => `take ${i} && { ${testCommand(batch, i)} || status=1; printf '\\036'; }`),
    "exit $status",
  ].join("\n");
  const machines = Array.from({ length: Math.min(MACHINES, batches.length) }, (_, i) => `machine${i + 1}`);
  try {
    const statuses = await Promise.all(
      machines.map(async (name) => {
        const printed = byBatch(output);
        try {
          return await runInVm(vm, { name, script, answers, seconds: SECONDS, output: printed.add });
        } catch (error) {
          printed.end();
          // The other machine's tests are worth their while.
          say(error instanceof Error ? error.message : String(error));
          return 1;
        }
      }),
    );
    return {
      ok: statuses.every((status) => status === 0),
      reports: batches.map((_, i) => readLeft(join(answers, reportOf(i)))),
      skips: batches.map((_, i) => readLeft(join(answers, skipsOf(i)))).join(""),
    };
  } finally {
    rmSync(answers, { recursive: true, force: true });
  }
}

/** The files that have a test for the machine. They are loaded here as they are there, but no test is run. */
function withTests(
  root: string,
  files: readonly string[],
  variables: Readonly<Record<string, string>>,
  report: string,
): string[] {
  const none = "--test-name-pattern=^(?!)";
  const options = [none, "--pass-with-no-tests", "--reporter=junit", `--reporter-outfile=${report}`];
  const { exitCode, stderr } = Bun.spawnSync(
    [process.execPath, "test", ...options, ...files.map((file) => `./${file}`)],
    { cwd: root, env: variables, stdout: "ignore", stderr: "pipe" },
  );
  if (exitCode !== 0) throw new Error(`The tests for the virtual machine cannot be listed: ${stderr.toString()}`);
  const found = filesWith(readLeft(report), IN_VM);
  return files.filter((file) => found.has(file));
}

/** What takes long first, so that the machines end at about the same time. */
function batchesOf(files: readonly string[]): string[][] {
  const long = files.filter((file) => LONG.test(file));
  const short = files.filter((file) => !LONG.test(file));
  const count = Math.ceil(short.length / BATCH);
  return [
    ...long.map((file) => [file]),
    ...Array.from({ length: count }, (_, i) => short.filter((_, at) => at % count === i)),
  ];
}

function testCommand(files: readonly string[], batch: number): string {
  const pattern = `--test-name-pattern=${RegExp.escape(IN_VM)}`;
  const report = `--reporter-outfile=${ANSWERS}/${reportOf(batch)}`;
  // What runs side by side there only waits for each other.
  const options = ["--timeout", "180000", "--max-concurrency", "3", pattern, "--reporter=junit", report];
  const command = [process.execPath, "test", ...options, ...files.map((file) => `./${file}`)];
  return `TENDRIL_TEST_SKIPS=${ANSWERS}/${skipsOf(batch)} ${command.map(quote).join(" ")}`;
}

function reportOf(batch: number): string {
  return `junit.${batch}.xml`;
}

function skipsOf(batch: number): string {
  return `skips.${batch}.txt`;
}

/** Passes on what a machine prints when a batch of files is done, for another machine prints at the same time. */
function byBatch(output: (bytes: Uint8Array) => void) {
  const held: Uint8Array[] = [];
  const end = () => {
    for (const bytes of held.splice(0)) output(bytes);
  };
  const add = (bytes: Uint8Array) => {
    for (let rest = bytes; rest.length > 0; ) {
      const at = rest.indexOf(RECORD_SEPARATOR);
      held.push(at < 0 ? rest : rest.subarray(0, at));
      if (at < 0) return;
      end();
      rest = rest.subarray(at + 1);
    }
  };
  return { add, end };
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
