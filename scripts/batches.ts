/** Runs test files in batches, several side by side, each by a process on a network of its own. */

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { failuresIn, readLeft, readReport, type Tally } from "./report.ts";

/** Files that one process runs. */
export interface Batch {
  readonly suite: string;
  readonly files: readonly string[];
}

export interface BatchesOptions {
  /** The project's folder; the files are named from there. */
  readonly root: string;
  /** A folder where another may be made for the time of the run. */
  readonly cache: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly atOnce: number;
  /** Whether this process may make namespaces. */
  readonly isRoot: boolean;
  readonly output: (bytes: Uint8Array) => void;
}

export interface BatchOutcome extends Tally {
  readonly suite: string;
  /** What failed, and how. */
  readonly failures: readonly string[];
  /** Why tests were skipped. */
  readonly skips: readonly string[];
}

/**
 * The node of a batch: its links, rules and named namespaces are no other batch's. What the kernel has of this in files
 * is that node's, too. @see ip-netns(8), mount_namespaces(7)
 */
const NAMESPACES = ["unshare", "--net", "--mount", "--propagation", "slave"];
const SET_UP = [
  "mkdir -p /run/netns",
  // Of the file systems below /sys only its own is the namespace's.
  "mount --rbind /sys/fs /run/netns && mount -t sysfs sysfs /sys && mount --rbind /run/netns /sys/fs",
  "mount -t tmpfs tmpfs /run/netns",
  "ip link set lo up",
  'exec "$@"',
].join(" && ");

/**
 * Runs the batches, in their order as far as they do not run at once. What a batch prints is shown when it ends, or at once
 * where there is only one.
 */
export async function runBatches(batches: readonly Batch[], options: BatchesOptions): Promise<BatchOutcome[]> {
  const isAlone = batches.length === 1;
  const folder = join(options.cache, `batches.${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const outcomes: BatchOutcome[] = [];
  const queue = [...batches.entries()];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [number, batch] = next;
      outcomes.push(await run(batch, join(folder, String(number)), isAlone, options));
    }
  };
  try {
    await Promise.all(Array.from({ length: options.atOnce }, work));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return outcomes;
}

/**
 * Milliseconds after which a test is taken to hang. Those of `crash` that take a minute have taken three, with all that
 * shares the processors with them, where others wanted these, too.
 */
const HANGING = "600000";

async function run(
  { suite, files }: Batch,
  path: string,
  isAlone: boolean,
  { root, environment, isRoot, output }: BatchesOptions,
): Promise<BatchOutcome> {
  const others = files.length === 1 ? "" : ` and ${files.length - 1} more`;
  output(Buffer.from(`… ${suite}: ${files[0]}${others}\n`));
  const test = ["test", "--timeout", HANGING, "--reporter=junit", `--reporter-outfile=${path}.xml`];
  const command = [process.execPath, ...test, ...files.map((file) => `./${file}`)];
  const child = Bun.spawn(isRoot ? [...NAMESPACES, "sh", "-c", SET_UP, "sh", ...command] : command, {
    cwd: root,
    env: { ...process.env, ...environment, TENDRIL_TEST_SKIPS: `${path}.skips` },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const printed: Uint8Array[] = [];
  // What the tests themselves print comes by the one, what is told of them by the other.
  const gather = async (stream: ReadableStream<Uint8Array>) => {
    for await (const bytes of stream) {
      if (isAlone) output(bytes);
      printed.push(bytes);
    }
  };
  await Promise.all([gather(child.stdout), gather(child.stderr)]);
  const exitCode = await child.exited;
  const all = Buffer.concat(printed);
  if (!isAlone) output(all);
  const report = readLeft(`${path}.xml`);
  // Files whose tests are all left to the virtual machine end well, without a report.
  const tally = exitCode === 0 && report === "" ? NOTHING : readReport(report);
  return outcomeOf(suite, { exitCode, output: all.toString(), tally, skips: readLeft(`${path}.skips`) });
}

const NOTHING: Tally = { passed: 0, failed: 0, skipped: 0 };

/** What runs of `bun test` have left. */
export interface Run {
  readonly exitCode: number | null;
  readonly output: string;
  readonly tally: Tally;
  /** A line for each reason why tests were skipped. */
  readonly skips: string;
}

/** What runs of `bun test` come to. */
export function outcomeOf(suite: string, { exitCode, output, tally: counted, skips }: Run): BatchOutcome {
  const tally = { ...counted };
  const failures = failuresIn(output);
  // A file that fails to load, or a hook that throws, fails the run without a failed test.
  if (exitCode !== 0 && tally.failed === 0) tally.failed = 1;
  if (tally.failed > 0 && failures.length === 0) {
    failures.push(`the suite ${suite} ended with status ${exitCode}, and told of no failed test:\n${tailOf(output)}`);
  }
  return { suite, ...tally, failures, skips: skips.split("\n").filter((line) => line !== "") };
}

function tailOf(output: string): string {
  return output.trim().split("\n").slice(-20).join("\n");
}
