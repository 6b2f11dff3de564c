/**
 * Runs all tests: type check, Biome, layers, then the suites, each in a process of its own. Sets up what they need,
 * says what was skipped and why, and ends with the line `N passed, N failed, N skipped`.
 */

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { cache } from "./setup/cache.ts";
import { installTools } from "./setup/packages.ts";
import { findPeers } from "./setup/peers.ts";

const root = join(import.meta.dir, "..");

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

/** The suites, in the order in which they build on each other; a file belongs to the first that matches. */
const SUITES: readonly { readonly name: string; readonly pattern: RegExp; readonly root?: true }[] = [
  { name: "kernel", pattern: /\.kernel\.test\.ts$/, root: true },
  { name: "crash", pattern: /\.crash\.test\.ts$/, root: true },
  { name: "interop", pattern: /\.interop\.test\.ts$/, root: true },
  { name: "pure", pattern: /\.test\.ts$/ },
];
const ORDER = ["pure", "kernel", "crash", "interop"];

const only = process.argv.slice(2);
const total: Tally = { passed: 0, failed: 0, skipped: 0 };
const skips: string[] = [];

function count(name: string, tally: Tally, seconds: number): void {
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped += tally.skipped;
  const parts = [`${tally.passed} passed`, `${tally.failed} failed`, `${tally.skipped} skipped`];
  console.log(`── ${name}: ${parts.join(", ")} (${seconds.toFixed(1)} s)\n`);
}

function runCheck(name: string, command: string[]): void {
  if (only.length > 0 && !only.includes("checks")) return;
  const start = performance.now();
  const { exitCode } = Bun.spawnSync(command, { cwd: root, stdout: "inherit", stderr: "inherit" });
  const ok = exitCode === 0;
  count(name, { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }, (performance.now() - start) / 1000);
}

function filesOf(suite: string): string[] {
  return [...new Glob("{src,test,bench,scripts}/**/*.test.ts").scanSync(root)]
    .filter((file) => SUITES.find(({ pattern }) => pattern.test(file))?.name === suite)
    .filter((file) => only.every((word) => ORDER.includes(word) || word === "checks" || file.includes(word)))
    .sort();
}

function runSuite(suite: string, environment: Record<string, string>): void {
  const words = only.filter((word) => ORDER.includes(word) || word === "checks");
  if (words.length > 0 && !words.includes(suite)) return;
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
  const { exitCode } = Bun.spawnSync([process.execPath, ...command, ...files.map((file) => `./${file}`)], {
    cwd: root,
    env: { ...process.env, ...environment, TENDRIL_TEST_SKIPS: skipList },
    stdout: "inherit",
    stderr: "inherit",
  });
  const tally = readReport(report);
  // A file that fails to load, or a hook that throws, fails the run without a failed test.
  if (exitCode !== 0 && tally.failed === 0) tally.failed = 1;
  skips.push(...readLines(skipList));
  count(suite, tally, (performance.now() - start) / 1000);
}

function readReport(path: string): Tally {
  const text = readLines(path).join("\n");
  const head = /<testsuites[^>]*\btests="(\d+)"[^>]*\bfailures="(\d+)"[^>]*\bskipped="(\d+)"/.exec(text);
  if (head === null) return { passed: 0, failed: 1, skipped: 0 };
  const [tests, failed, skipped] = head.slice(1).map(Number) as [number, number, number];
  return { passed: tests - failed - skipped, failed, skipped };
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch {
    return [];
  }
}

const say = (line: string) => console.log(line);

mkdirSync(cache, { recursive: true });
runCheck("type check", ["node_modules/.bin/tsc"]);
runCheck("Biome", ["node_modules/.bin/biome", "check", "."]);
runCheck("layers", [process.execPath, "scripts/layers.ts"]);
say("Building dist/tendril …");
runCheck("build", [process.execPath, "scripts/build.ts"]);
const isRoot = process.getuid?.() === 0;
const missing = isRoot ? installTools(say) : [];
for (const { command, debian } of missing) skips.push(`what needs ${command} (package ${debian}): it is not installed`);
const peers = findPeers(cache, say);
say(`Peers: ${peers.about}\n`);
const environment = {
  ...(peers.plugins === undefined ? {} : { TENDRIL_PEER_PLUGINS: peers.plugins }),
  ...(peers.cnitool === undefined ? {} : { TENDRIL_PEER_CNITOOL: peers.cnitool }),
};
for (const suite of ORDER) runSuite(suite, environment);

if (skips.length > 0) {
  console.log("Skipped:");
  for (const reason of new Set(skips)) console.log(`  ${reason}`);
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
