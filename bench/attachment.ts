/** ADD and DEL of one pod, again and again. */

import { type BenchHost, bridgeConfig, call, makePods, type Pod, type Side } from "./host.ts";
import { type Bench, type Comparison, type Sample, sums } from "./measurement.ts";

/** Pods live longer than the work that the kernel puts off when links come and go; it is not to be timed. */
const PAUSE_MS = 50;

/** Attaches a pod and detaches it, both timed. */
export interface Contender {
  readonly name: string;
  readonly add: Sample[];
  readonly del: Sample[];
  once(counts: boolean): void;
}

/** One side with a host and a pod of its own; `more` is added to its configuration. */
export function contender(bench: Bench, side: Side, more: object = {}): Contender {
  const [pod] = makePods(1);
  if (pod === undefined) throw new Error("There is no pod");
  return contenderOn(bench.host(side), pod, more);
}

/** The result of ADD is handed to DEL, and no container has an ID twice, as with runtimes. */
export function contenderOn(host: BenchHost, pod: Pod, more: object = {}): Contender {
  const config = bridgeConfig(host, more);
  const add: Sample[] = [];
  const del: Sample[] = [];
  let containers = 0;
  return {
    name: host.side.name,
    add,
    del,
    once(counts) {
      containers++;
      const container = { ...pod, id: `${pod.id}-${containers}` };
      const added = call("bridge", { host, verb: "ADD", pod: container, config });
      const prevResult = JSON.parse(added.output);
      Bun.sleepSync(PAUSE_MS);
      const deleted = call("bridge", { host, verb: "DEL", pod: container, config: { ...config, prevResult } });
      Bun.sleepSync(PAUSE_MS);
      if (!counts) return;
      add.push(added);
      del.push(deleted);
    },
  };
}

/** Highest ratios that are good enough. */
export interface Goals {
  readonly add?: number;
  readonly both?: number;
}

/** The lines for ADD, DEL and both together. */
export function compare(what: string, measured: Contender, against: Contender, goals: Goals = {}): Comparison[] {
  const line = (verb: string, samplesOf: (contender: Contender) => Sample[], goal?: number): Comparison => ({
    what: `${what} ${verb}`,
    measured: { name: measured.name, samples: samplesOf(measured) },
    against: { name: against.name, samples: samplesOf(against) },
    ...(goal === undefined ? {} : { goal }),
  });
  return [
    line("ADD", ({ add }) => add, goals.add),
    line("DEL", ({ del }) => del),
    line("ADD+DEL", ({ add, del }) => sums(add, del), goals.both),
  ];
}
