/**
 * The measurements, run in namespaces that scripts/bench.ts has made for them. It is a process of its own so that it is
 * small: what it starts is timed.
 */

import { writeFileSync } from "node:fs";
import { type BenchHost, makeHost, type Side } from "./host.ts";
import { machine } from "./machine.ts";
import type { Measurement } from "./measurement.ts";
import { addresses } from "./measurements/addresses.ts";
import { bridge } from "./measurements/bridge.ts";
import { burst, chainBurst } from "./measurements/burst.ts";
import { chain } from "./measurements/chain.ts";
import { clusterAttach } from "./measurements/cluster-attach.ts";
import { clusterBurst } from "./measurements/cluster-burst.ts";
import { clusterScale } from "./measurements/cluster-scale.ts";
import { hostPorts, hostPortTraffic } from "./measurements/host-ports.ts";
import { chainManyPods, manyPods } from "./measurements/many-pods.ts";
import { masquerade } from "./measurements/masquerade.ts";
import { modeTraffic } from "./measurements/mode-traffic.ts";
import { plugins } from "./measurements/plugins.ts";
import { version } from "./measurements/version.ts";
import { type MeasurementName, measurementNames } from "./names.ts";
import { formatLines, type Line, lineOf } from "./report.ts";

/** What scripts/bench.ts hands over. */
export interface Task {
  readonly ours: Side;
  readonly resident: Side;
  readonly peer: Side;
  readonly empty: string;
  readonly rounds: number;
  /** Names of measurements; all where there is none. */
  readonly only: readonly string[];
  /** A file for the figures as JSON. */
  readonly output?: string;
}

const measurements: Readonly<Record<MeasurementName, Measurement>> = {
  version,
  bridge,
  masquerade,
  plugins,
  chain,
  burst,
  "chain-burst": chainBurst,
  "host-ports": hostPorts,
  "host-port-traffic": hostPortTraffic,
  addresses,
  "many-pods": manyPods,
  "chain-many-pods": chainManyPods,
  "cluster-attach": clusterAttach,
  "cluster-burst": clusterBurst,
  "cluster-scale": clusterScale,
  "mode-traffic": modeTraffic,
};

async function main(task: Task): Promise<void> {
  const say = (line: string) => console.log(line);
  const lines: Line[] = [];
  for (const name of measurementNames) {
    if (task.only.length > 0 && !task.only.includes(name)) continue;
    const { about, run } = measurements[name];
    say(`${name}: ${about}`);
    const host = (side: Side): BenchHost => makeHost(side);
    lines.push(...(await run({ ...task, host, say })).map(lineOf));
  }
  say("");
  say(formatLines(lines));
  for (const { what, fault } of lines) if (fault !== undefined) say(`${what}: ${fault}`);
  const facts = machine();
  say(
    Object.entries(facts)
      .map(([fact, value]) => `${fact}: ${value}`)
      .join(" · "),
  );
  if (task.output !== undefined) {
    writeFileSync(task.output, `${JSON.stringify({ machine: facts, rounds: task.rounds, lines }, undefined, 2)}\n`);
    say(`The figures are in ${task.output}`);
  }
}

await main(JSON.parse(process.argv[2] ?? "") as Task);
