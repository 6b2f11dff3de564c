/**
 * Measures the plugins against the reference ones, in fresh namespaces: builds, finds the peer, prints a table.
 */

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command } from "commander";
import type { Task } from "../bench/main.ts";
import { measurementNames } from "../bench/names.ts";
import { compile } from "./build.ts";
import { cache } from "./setup/cache.ts";
import { findPeers } from "./setup/peers.ts";

const root = join(import.meta.dir, "..");

/** Leases and records of both sides lie in memory. The machine's own folders and network are not touched. */
const NAMESPACES = ["unshare", "--net", "--mount", "--propagation", "private"];
const SET_UP = `mount -t tmpfs tmpfs /run && mkdir /run/netns && mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/cni &&
  ip link set lo up && exec "$@"`;

interface Options {
  readonly rounds: string;
  readonly output?: string;
}

const command = new Command("npm run bench --")
  .description("Measures the plugins against the reference ones")
  .argument("[name...]", `measure only these: ${measurementNames.join(", ")}`)
  .option("--rounds <number>", "how often each side is run", "40")
  .option("--output <file>", "write the figures there as JSON")
  .addHelpText(
    "after",
    "\nExamples:\n  npm run bench chain plugins\n  npm run bench -- bridge --rounds 100 --output figures.json",
  )
  .parse();
const only = command.args;
const options = command.opts<Options>();

async function main(): Promise<number> {
  if (process.getuid?.() !== 0) {
    console.error("The measurements need root, for network namespaces.");
    return 1;
  }
  const rounds = Number(options.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    console.error(`--rounds must be a whole number above zero: "${options.rounds}"`);
    return 1;
  }
  const unknown = only.filter((name) => !(measurementNames as readonly string[]).includes(name));
  if (unknown.length > 0) {
    console.error(`There is no measurement ${unknown.join(", ")}, only ${measurementNames.join(", ")}`);
    return 1;
  }
  mkdirSync(cache, { recursive: true });
  console.log("Building dist/tendril …");
  const built = Bun.spawnSync([process.execPath, join(root, "scripts/build.ts")], {
    stdout: "ignore",
    stderr: "inherit",
  });
  if (built.exitCode !== 0) return 1;
  const empty = join(cache, "empty");
  await compile(join(root, "bench/empty.ts"), empty);
  const peers = findPeers(cache, (line) => console.log(line));
  if (peers.plugins === undefined) {
    console.error(`There is nothing to measure against: ${peers.about}`);
    return 1;
  }
  console.log(`Against ${peers.about}\n`);
  const task: Task = {
    ours: { name: "tendril", plugins: join(root, "dist/cni") },
    resident: { name: "tendril's agent", plugins: join(root, "dist/cni"), agent: join(root, "dist/tendril") },
    peer: { name: "reference", plugins: peers.plugins },
    empty,
    rounds,
    only,
    ...(options.output === undefined ? {} : { output: resolve(options.output) }),
  };
  const child = [process.execPath, join(root, "bench/main.ts"), JSON.stringify(task)];
  const { exitCode } = Bun.spawnSync([...NAMESPACES, "sh", "-c", SET_UP, "sh", ...child], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  return exitCode;
}

process.exit(await main());
