/**
 * Runs all tests: type check, Biome, layers, then the suites, each in a process of its own. Sets up what they need,
 * says what was skipped and why and what failed, and ends with the line `N passed, N failed, N skipped`.
 */

import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { Glob } from "bun";
import { IN_VM } from "../test/support/vm.ts";
import { type Batch, type BatchOutcome, outcomeOf, runBatches } from "./batches.ts";
import { readChosen, sumOf, type Tally } from "./report.ts";
import { cache } from "./setup/cache.ts";
import { findContainerd } from "./setup/containerd.ts";
import { findKubernetes, type Kubernetes } from "./setup/kubernetes.ts";
import { installTools } from "./setup/packages.ts";
import { findPeers } from "./setup/peers.ts";
import { findVm } from "./setup/vm.ts";
import type { VmParts } from "./vm/machine.ts";
import { isForVm, runVmSuite } from "./vm/suite.ts";

const root = join(import.meta.dir, "..");

interface Suite {
  readonly name: string;
  readonly pattern: RegExp;
  readonly root?: true;
  /** How many of its files one process runs; a process of its own for all of them where it is absent. */
  readonly batch?: number;
}

/** The suites; a file belongs to the first that matches. */
const SUITES: readonly Suite[] = [
  { name: "kernel", pattern: /\.kernel\.test\.ts$/, root: true, batch: 10 },
  { name: "crash", pattern: /\.crash\.test\.ts$/, root: true, batch: 1 },
  { name: "cluster", pattern: /\.cluster\.test\.ts$/, root: true, batch: 1 },
  { name: "interop", pattern: /\.interop\.test\.ts$/, root: true, batch: 1 },
  { name: "kubernetes", pattern: /\.kubernetes\.test\.ts$/, root: true, batch: 1 },
  { name: "endurance", pattern: /\.endurance\.test\.ts$/, root: true, batch: 1 },
  { name: "pure", pattern: /\.test\.ts$/, batch: 40 },
];
/** What runs one after the other; suites that stand together share the processors. */
const ORDER = [["interop", "crash", "cluster", "kernel", "pure"], ["kubernetes"], ["endurance"]];
/** It comes last and has no files of its own: it runs, of any suite's files, the tests that need another kernel. */
const VM = "vm";
/** Of the files that run side by side, those that take minutes, and so begin. */
const LONGEST = ["conformance.interop", "differential.interop", "install.kubernetes", "controller.kubernetes"];
/** Suites of a real Kubernetes. */
const ON_KUBERNETES = ["kubernetes", "endurance"];
/** What is run only when it is asked for: minutes of faults in whole clusters, with requests of which none may be late. */
const ASKED_FOR = "endurance";
/** How many processes run tests at once: what takes long is mostly one that waits. */
const SIDE_BY_SIDE = Math.min(2, navigator.hardwareConcurrency);
/** Names of parts; other words on the command line choose files. */
const PARTS = ["checks", ...ORDER.flat(), VM];

const isRoot = process.getuid?.() === 0;
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

/** The files of a suite, as far as this process may run it. */
function runnable(suite: Suite): string[] {
  const files = filesOf(suite.name);
  if (files.length === 0 || !suite.root || isRoot) return files;
  skips.push(`the ${suite.name} tests: they need root`);
  count(suite.name, { passed: 0, failed: 0, skipped: files.length }, 0);
  return [];
}

/** Runs suites whose files share the processors. */
async function runSuites(suites: readonly Suite[], environment: Record<string, string>): Promise<void> {
  const start = performance.now();
  const batches = suites.flatMap((suite) => batchesOf(suite, runnable(suite)));
  const outcomes = await runBatches(batches, { root, cache, environment, atOnce: SIDE_BY_SIDE, isRoot, output });
  for (const { name } of suites) {
    const own = outcomes.filter(({ suite }) => suite === name);
    if (own.length > 0) finish(name, own, start);
  }
}

function batchesOf({ name, batch }: Suite, files: readonly string[]): Batch[] {
  const isLong = (file: string) => LONGEST.some((part) => file.includes(part));
  const inOrder = [...files.filter(isLong), ...files.filter((file) => !isLong(file))];
  const number = Math.ceil(files.length / (batch ?? Number.MAX_SAFE_INTEGER));
  return Array.from({ length: number }, (_, i) => ({
    suite: name,
    files: inOrder.filter((_, at) => at % number === i),
  }));
}

async function runVm(vm: VmParts, files: readonly string[], environment: Record<string, string>): Promise<void> {
  say(`Booting two virtual machines for ${files.length} test files …`);
  const start = performance.now();
  const printed: Uint8Array[] = [];
  const keep = (bytes: Uint8Array) => {
    output(bytes);
    printed.push(bytes);
  };
  const { ok, reports, skips } = await runVmSuite({ vm, root, files, environment, cache, output: keep, say });
  const tally = sumOf(reports.map((report) => readChosen(report, IN_VM)));
  const exitCode = ok ? 0 : 1;
  finish(VM, [outcomeOf(VM, { exitCode, output: Buffer.concat(printed).toString(), tally, skips })], start);
}

function finish(suite: string, outcomes: readonly BatchOutcome[], start: number): void {
  for (const outcome of outcomes) {
    skips.push(...outcome.skips);
    failures.push(...outcome.failures);
  }
  count(suite, sumOf(outcomes), (performance.now() - start) / 1000);
}

function output(bytes: Uint8Array): void {
  process.stdout.write(bytes);
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
const missing = isRoot ? installTools(say) : [];
for (const { command, debian } of missing) skips.push(`what needs ${command} (package ${debian}): it is not installed`);
const peers = findPeers(cache, say);
say(`Peers: ${peers.about}`);
const vmFiles = isWanted(VM) ? testFiles().filter((file) => isForVm(join(root, file))) : [];
const vm = vmFiles.length === 0 ? undefined : findVm(cache, say);
if (vm !== undefined) say(`Virtual machine: ${typeof vm === "string" ? vm : basename(vm.modules)}\n`);
const containerd = ["interop", ASKED_FOR].some(isWanted) ? findContainerd(cache, say) : undefined;
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
for (const names of ORDER) {
  const suites = names.flatMap((name) => SUITES.filter((suite) => suite.name === name));
  await runSuites(suites, { ...environment, ...vmFollows });
}
if (typeof vm === "object") await runVm(vm, vmFiles, environment);
if (typeof vm === "string") {
  skips.push(`the tests in the virtual machine: ${vm}`);
  if (parts.includes(VM)) count(VM, { passed: 0, failed: 0, skipped: vmFiles.length }, 0);
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
