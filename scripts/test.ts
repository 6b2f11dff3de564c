/**
 * Runs all tests: type check, Biome, layers, then the suites, each in a process of its own. Sets up what they need,
 * says what was skipped and why and what failed, and ends with the line `N passed, N failed, N skipped`.
 */

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { Glob } from "bun";
import { IN_VM } from "../test/support/vm.ts";
import { failuresIn, readChosen, readReport, type Tally } from "./report.ts";
import { cache } from "./setup/cache.ts";
import { findContainerd } from "./setup/containerd.ts";
import { findKubernetes, type Kubernetes } from "./setup/kubernetes.ts";
import { installTools } from "./setup/packages.ts";
import { findPeers } from "./setup/peers.ts";
import { findVm } from "./setup/vm.ts";
import type { VmParts } from "./vm/machine.ts";
import { isForVm, runVmSuite } from "./vm/suite.ts";

const root = join(import.meta.dir, "..");

/**
 * The suites, in the order in which they build on each other; a file belongs to the first that matches. The last, vm,
 * has no files of its own: it runs, of any suite's files, the tests that need another kernel.
 */
const SUITES: readonly { readonly name: string; readonly pattern: RegExp; readonly root?: true }[] = [
  { name: "kernel", pattern: /\.kernel\.test\.ts$/, root: true },
  { name: "crash", pattern: /\.crash\.test\.ts$/, root: true },
  { name: "cluster", pattern: /\.cluster\.test\.ts$/, root: true },
  { name: "interop", pattern: /\.interop\.test\.ts$/, root: true },
  { name: "kubernetes", pattern: /\.kubernetes\.test\.ts$/, root: true },
  { name: "endurance", pattern: /\.endurance\.test\.ts$/, root: true },
  { name: "pure", pattern: /\.test\.ts$/ },
];
const ORDER = ["pure", "kernel", "crash", "cluster", "interop", "kubernetes", "endurance"];
/** Suites of a real Kubernetes. */
const ON_KUBERNETES = ["kubernetes", "endurance"];
/** What is run only when it is asked for: minutes of faults in whole clusters, with requests of which none may be late. */
const ASKED_FOR = "endurance";
/** Names of parts; other words on the command line choose files. */
const PARTS = ["checks", ...ORDER, "vm"];

const only = process.argv.slice(2);
const parts = only.filter((word) => PARTS.includes(word));
const total: Tally = { passed: 0, failed: 0, skipped: 0 };
const skips: string[] = [];
/** What failed, and how: told again at the end. */
const failures: string[] = [];

function isWanted(part: string): boolean {
  if (parts.length > 0) return parts.includes(part);
  return only.length > 0 ? part !== "checks" : part !== ASKED_FOR;
}

function count(name: string, tally: Tally, seconds: number): void {
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped += tally.skipped;
  const figures = [`${tally.passed} passed`, `${tally.failed} failed`, `${tally.skipped} skipped`];
  console.log(`── ${name}: ${figures.join(", ")} (${seconds.toFixed(1)} s)\n`);
}

function runCheck(name: string, command: string[]): void {
  const start = performance.now();
  const { exitCode } = Bun.spawnSync(command, { cwd: root, stdout: "inherit", stderr: "inherit" });
  const ok = exitCode === 0;
  if (!ok) failures.push(`the ${name}: see above`);
  count(name, { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }, (performance.now() - start) / 1000);
}

function testFiles(): string[] {
  return [...new Glob("{src,test,bench,scripts}/**/*.test.ts").scanSync(root)]
    .filter((file) => only.every((word) => PARTS.includes(word) || file.includes(word)))
    .sort();
}

function suiteOf(file: string) {
  return SUITES.find(({ pattern }) => pattern.test(file));
}

/** The files of a suite that are to be run. */
function filesOf(suite: string): string[] {
  return isWanted(suite) ? testFiles().filter((file) => suiteOf(file)?.name === suite) : [];
}

/** Kubernetes' programs and the image of ours. A build that fails is a failure; what cannot be had leaves tests out. */
async function setUpKubernetes(): Promise<Kubernetes> {
  const start = performance.now();
  const found = await findKubernetes(cache, say);
  if ("folder" in found) {
    runCheck("image", [process.execPath, "scripts/image.ts"]);
    return found;
  }
  say(`Without Kubernetes: ${found.problem}`);
  if (found.isFailure) {
    failures.push(`Kubernetes: ${found.problem}`);
    count("Kubernetes", { passed: 0, failed: 1, skipped: 0 }, (performance.now() - start) / 1000);
  }
  return found;
}

async function runSuite(suite: string, environment: Record<string, string>): Promise<void> {
  const files = filesOf(suite);
  if (files.length === 0) return;
  if (SUITES.find(({ name }) => name === suite)?.root && process.getuid?.() !== 0) {
    skips.push(`the ${suite} tests: they need root`);
    count(suite, { passed: 0, failed: 0, skipped: files.length }, 0);
    return;
  }
  const start = performance.now();
  const report = join(cache, `junit-${suite}.xml`);
  const skipList = join(cache, `skips-${suite}.txt`);
  rmSync(report, { force: true });
  rmSync(skipList, { force: true });
  const command = ["test", "--timeout", "180000", "--reporter=junit", `--reporter-outfile=${report}`];
  const child = Bun.spawn([process.execPath, ...command, ...files.map((file) => `./${file}`)], {
    cwd: root,
    env: { ...process.env, ...environment, TENDRIL_TEST_SKIPS: skipList },
    stdout: "inherit",
    stderr: "pipe",
  });
  const printed: Uint8Array[] = [];
  for await (const bytes of child.stderr) {
    process.stderr.write(bytes);
    printed.push(bytes);
  }
  failures.push(...failuresIn(Buffer.concat(printed).toString()));
  finish(suite, await child.exited, readReport(readOrEmpty(report)), readOrEmpty(skipList), start);
}

async function runVm(vm: VmParts, files: readonly string[], environment: Record<string, string>): Promise<void> {
  say(`Booting two virtual machines for ${files.length} test files …`);
  const start = performance.now();
  const printed: Uint8Array[] = [];
  const output = (bytes: Uint8Array) => {
    process.stdout.write(bytes);
    printed.push(bytes);
  };
  const { ok, reports, skips } = await runVmSuite({ vm, root, files, environment, cache, output, say });
  failures.push(...failuresIn(Buffer.concat(printed).toString()));
  const tallies = reports.map((report) => readChosen(report, IN_VM));
  const sum = (field: keyof Tally) => tallies.reduce((all, tally) => all + tally[field], 0);
  const tally = { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") };
  finish("vm", ok ? 0 : 1, tally, skips, start);
}

function finish(suite: string, exitCode: number | null, tally: Tally, skipList: string, start: number): void {
  // A file that fails to load, or a hook that throws, fails the run without a failed test.
  if (exitCode !== 0 && tally.failed === 0) {
    tally.failed = 1;
    failures.push(`the suite ${suite} ended with ${exitCode}, and no test of it had failed: see above`);
  }
  skips.push(...skipList.split("\n").filter((line) => line !== ""));
  count(suite, tally, (performance.now() - start) / 1000);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function say(line: string): void {
  console.log(line);
}

mkdirSync(cache, { recursive: true });
if (isWanted("checks")) {
  runCheck("type check", ["node_modules/.bin/tsc"]);
  runCheck("Biome", ["node_modules/.bin/biome", "check", "."]);
  runCheck("layers", [process.execPath, "scripts/layers.ts"]);
}
say("Building dist/tendril …");
runCheck("build", [process.execPath, "scripts/build.ts"]);
const isRoot = process.getuid?.() === 0;
const missing = isRoot ? installTools(say) : [];
for (const { command, debian } of missing) skips.push(`what needs ${command} (package ${debian}): it is not installed`);
const peers = findPeers(cache, say);
say(`Peers: ${peers.about}`);
const vmFiles = isWanted("vm") ? testFiles().filter((file) => isForVm(join(root, file))) : [];
const vm = vmFiles.length === 0 ? undefined : findVm(cache, say);
if (vm !== undefined) say(`Virtual machine: ${typeof vm === "string" ? vm : basename(vm.modules)}\n`);
const containerd = isWanted("interop") ? findContainerd(cache, say) : undefined;
if (containerd !== undefined && "problem" in containerd) say(`Without containerd 2: ${containerd.problem}`);
const kubernetes =
  isRoot && ON_KUBERNETES.some((suite) => filesOf(suite).length > 0) ? await setUpKubernetes() : undefined;
const environment = {
  ...(peers.plugins === undefined ? {} : { TENDRIL_PEER_PLUGINS: peers.plugins }),
  ...(peers.cnitool === undefined ? {} : { TENDRIL_PEER_CNITOOL: peers.cnitool }),
  ...(containerd !== undefined && "folder" in containerd ? { TENDRIL_CONTAINERD_2: containerd.folder } : {}),
  ...(kubernetes === undefined
    ? {}
    : "folder" in kubernetes
      ? { TENDRIL_KUBERNETES: kubernetes.folder }
      : { TENDRIL_KUBERNETES_PROBLEM: kubernetes.problem }),
};
const vmFollows: Record<string, string> = typeof vm === "object" ? { TENDRIL_TEST_VM: "follows" } : {};
for (const suite of ORDER) await runSuite(suite, { ...environment, ...vmFollows });
if (typeof vm === "object") await runVm(vm, vmFiles, environment);
if (typeof vm === "string") {
  skips.push(`the tests in the virtual machine: ${vm}`);
  if (parts.includes("vm")) count("vm", { passed: 0, failed: 0, skipped: vmFiles.length }, 0);
}

if (only.length === 0) {
  const left = testFiles().filter((file) => suiteOf(file)?.name === ASKED_FOR);
  total.skipped += left.length;
  skips.push(`${left.length} files that break whole clusters for minutes: \`npm run test:kubernetes\` runs them, too`);
}

if (skips.length > 0) {
  console.log("Skipped:");
  for (const reason of new Set(skips)) console.log(`  ${reason}`);
}
if (failures.length > 0) console.log(`\nFailed:\n${failures.join("\n\n")}\n`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
