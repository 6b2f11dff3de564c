/** ADD and DEL of one pod, again and again. */

import { type Attachment, addChain, type Chain, deleteChain, total } from "./chain.ts";
import { type BenchHost, makePods, type Pod, type Side } from "./host.ts";
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

/** One side with a host and a pod of its own. */
export function contender(bench: Bench, side: Side, chain: Chain): Contender {
  const [pod] = makePods(1);
  if (pod === undefined) throw new Error("There is no pod");
  return contenderOn(bench.host(side), pod, chain);
}

/** Of a chain all plugins are timed, or the last one. */
export interface Timing {
  readonly number?: number;
  readonly only?: "last";
}

/** The result of ADD is handed to DEL, and no container has an ID twice, as with runtimes. */
export function contenderOn(host: BenchHost, pod: Pod, chain: Chain, { number = 0, only }: Timing = {}): Contender {
  const add: Sample[] = [];
  const del: Sample[] = [];
  let containers = 0;
  return {
    name: host.side.name,
    add,
    del,
    once(counts) {
      containers++;
      const attachment: Attachment = { host, chain, pod: { ...pod, id: `${pod.id}-${containers}` }, number };
      const added = addChain(attachment);
      Bun.sleepSync(PAUSE_MS);
      const deleted = deleteChain(attachment, added.result);
      Bun.sleepSync(PAUSE_MS);
      if (!counts) return;
      add.push(total(only === "last" ? added.steps.slice(-1) : added.steps));
      del.push(total(only === "last" ? deleted.steps.slice(0, 1) : deleted.steps));
    },
  };
}

/** Highest ratios that are good enough. */
export interface Goals {
  readonly add?: number;
  readonly del?: number;
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
    line("DEL", ({ del }) => del, goals.del),
    line("ADD+DEL", ({ add, del }) => sums(add, del), goals.both),
  ];
}
