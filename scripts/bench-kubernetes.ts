/**
 * Measures pods' starts on a real Kubernetes against the reference plugins, or an agent among many nodes: builds, finds what
 * it needs, prints the figures.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { formatStarts, measureStarts } from "../bench/kubernetes.ts";
import { measureScale } from "../bench/kubernetes-scale.ts";
import { machine } from "../bench/machine.ts";
import { cache } from "./setup/cache.ts";
import { findKubernetes } from "./setup/kubernetes.ts";
import { installTools } from "./setup/packages.ts";
import { findPeers } from "./setup/peers.ts";

const { values: options } = parseArgs({
  options: {
    pods: { type: "string", default: "60" },
    rounds: { type: "string", default: "5" },
    /** Of a large cluster, in the place of pods' starts. */
    nodes: { type: "string" },
  },
});

function run(script: string): boolean {
  const command = [process.execPath, join(import.meta.dir, script)];
  return Bun.spawnSync(command, { stdin: "ignore", stdout: "ignore", stderr: "inherit" }).exitCode === 0;
}

async function main(): Promise<number> {
  if (process.getuid?.() !== 0) {
    console.error("The measurement makes network namespaces, which needs root.");
    return 1;
  }
  const [pods, rounds] = [Number(options.pods), Number(options.rounds)];
  if (!(Number.isInteger(pods) && pods > 0 && Number.isInteger(rounds) && rounds > 0)) {
    console.error("--pods and --rounds must be whole numbers above zero");
    return 1;
  }
  const nodes = options.nodes === undefined ? undefined : Number(options.nodes);
  if (nodes !== undefined && !(Number.isInteger(nodes) && nodes > 10 && nodes <= 10_000)) {
    console.error("--nodes must be a whole number from 11 to 10,000");
    return 1;
  }
  const say = (line: string) => console.log(line);
  mkdirSync(cache, { recursive: true });
  installTools(say);
  const peers = findPeers(cache, say);
  const kubernetes = await findKubernetes(cache, say);
  if (peers.plugins === undefined || "problem" in kubernetes) {
    console.error(`There is nothing to measure: ${"problem" in kubernetes ? kubernetes.problem : peers.about}`);
    return 1;
  }
  if (!run("build.ts") || !run("image.ts")) return 1;
  if (nodes === undefined) {
    say(`Against ${peers.about}, ${pods} pods over three nodes, by turns`);
    const measured = await measureStarts({ programs: kubernetes.folder, peers: peers.plugins, pods, rounds, say });
    for (const line of formatStarts(measured)) say(line);
  } else {
    await measureScale({ programs: kubernetes.folder, nodes, say });
  }
  for (const [fact, value] of Object.entries(machine())) say(`${fact}: ${value}`);
  return 0;
}

process.exit(await main());
