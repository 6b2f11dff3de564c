/**
 * Judges plugins by what the CNI specification asks of them: ours and the reference ones as its control, or any others
 * with any configuration. Prints a table, and why what fails does so.
 */

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command } from "commander";
import type { Task } from "../test/conformance/main.ts";
import { requirements } from "../test/conformance/requirements/all.ts";
import { judgeApart } from "../test/conformance/run.ts";
import { formatFailures, formatTable, type Side } from "../test/conformance/table.ts";
import { cache } from "./setup/cache.ts";
import { findPeers } from "./setup/peers.ts";

const root = join(import.meta.dir, "..");

interface Options {
  readonly plugins: readonly string[];
  readonly config?: string;
  readonly capabilities?: string;
  readonly only: readonly string[];
  readonly requirement: readonly string[];
  readonly ipv6?: true;
  readonly output?: string;
}

const options = new Command("npm run conformance --")
  .description("Judges plugins by the CNI specification: ours and the reference ones, or any others")
  .option("--plugins <folder...>", "judge the plugins of these folders instead", [])
  .option("--config <file>", "with this network configuration (.conf or .conflist)")
  .option("--capabilities <json>", "capability arguments for it, as CAP_ARGS of cnitool")
  .option("--only <name...>", "judge these plugins only", [])
  .option("--requirement <id...>", "by these requirements only", [])
  .option("--ipv6", "judge the reference plugins with IPv6 too, which takes them much longer")
  .option("--output <file>", "write all verdicts there as JSON")
  .addHelpText(
    "after",
    `
Examples:
  npm run conformance
  npm run conformance -- --only bridge --requirement gc-removes-stale
  npm run conformance -- --plugins /opt/cni/bin --config /etc/cni/net.d/10-mynet.conflist`,
  )
  .parse()
  .opts<Options>();

async function main(): Promise<number> {
  if (process.getuid?.() !== 0) {
    console.error("Plugins need root, for network namespaces.");
    return 1;
  }
  const unknown = options.requirement.filter((id) => requirements.every((each) => each.id !== id));
  if (unknown.length > 0) {
    console.error(`There is no requirement ${unknown.join(", ")}.`);
    return 1;
  }
  const sides: Side[] = [];
  for (const side of findSides()) sides.push({ name: side.name, verdicts: await judgeSide(side) });
  if (sides.length === 0 || sides[0]?.verdicts.length === 0) {
    console.error("There is nothing to judge.");
    return 1;
  }
  console.log(formatTable(requirements, sides));
  for (const side of sides) console.log(`\n${formatFailures(requirements, side)}`);
  if (options.output !== undefined) await Bun.write(options.output, `${JSON.stringify(sides, undefined, 2)}\n`);
  return sides[0]?.verdicts.some(({ outcome }) => outcome === "fails") ? 1 : 0;
}

interface Judged {
  readonly name: string;
  readonly folders: readonly string[];
  readonly ipv4: boolean;
}

function findSides(): readonly Judged[] {
  if (options.plugins.length > 0) {
    return [
      { name: options.plugins.join(":"), folders: options.plugins.map((folder) => resolve(folder)), ipv4: false },
    ];
  }
  console.log("Building dist/tendril …");
  const built = Bun.spawnSync([process.execPath, join(root, "scripts/build.ts")], { stdout: "ignore" });
  if (built.exitCode !== 0) return [];
  mkdirSync(cache, { recursive: true });
  const peers = findPeers(cache, (line) => console.log(line));
  const ours = { name: "tendril", folders: [join(root, "dist/cni")], ipv4: false };
  return peers.plugins === undefined ? [ours] : [ours, peer(peers.plugins)];
}

/** The reference plugins wait for duplicate detection of each IPv6 address, for seconds. */
function peer(folder: string): Judged {
  return { name: "reference", folders: [folder], ipv4: options.ipv6 !== true };
}

async function judgeSide({ name, folders, ipv4 }: Judged) {
  const task: Task = {
    folders,
    ipv4,
    only: options.only,
    requirements: options.requirement,
    ...(options.config === undefined ? {} : { config: resolve(options.config) }),
    ...(options.capabilities === undefined ? {} : { capabilities: JSON.parse(options.capabilities) }),
  };
  let done = 0;
  const showsProgress = process.stderr.isTTY;
  const verdicts = await judgeApart(task, ({ subject }) => {
    done++;
    if (showsProgress) process.stderr.write(`\r\x1b[K${name}: ${done} verdicts, ${subject} …`);
  });
  if (showsProgress) process.stderr.write("\r\x1b[K");
  return verdicts;
}

process.exit(await main());
