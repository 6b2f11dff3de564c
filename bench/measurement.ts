/** What the measurements and the report have in common. */

import type { BenchHost, Side } from "./host.ts";

/** One run of a program, or of several at once. */
export interface Sample {
  /** From before the start to after the end, in milliseconds; or what has been counted, where the line says so. */
  readonly wall: number;
  /** Of the process and those that it waited for, user and system, in milliseconds. */
  readonly cpu: number;
}

export interface Series {
  readonly name: string;
  readonly samples: readonly Sample[];
}

/** One line of the report: what was measured, against what, interleaved in one run. */
export interface Comparison {
  readonly what: string;
  readonly measured: Series;
  readonly against: Series;
  /** The highest ratio of medians that is good enough; absent where the figure is for orientation. */
  readonly goal?: number;
  /** What was counted beside the time, where it is not as it should be. */
  readonly fault?: string;
}

/** What the measurements work with. */
export interface Bench {
  readonly ours: Side;
  /** Ours on hosts where an agent runs, which serves the plugins' calls. */
  readonly resident: Side;
  /** The reference plugins. */
  readonly peer: Side;
  /** An empty program that was compiled as ours is. */
  readonly empty: string;
  readonly rounds: number;
  /** A host without pods. */
  host(side: Side): BenchHost;
  /** Tells who watches what is going on. */
  say(line: string): void;
}

export interface Measurement {
  readonly about: string;
  run(bench: Bench): Promise<readonly Comparison[]> | readonly Comparison[];
}

/** A figure that is no time, as a series of one. */
export function count(name: string, number: number): Series {
  return { name, samples: [{ wall: number, cpu: Number.NaN }] };
}

/** Calls each of the tasks once a round, every time beginning with another one, after a few rounds that do not count. */
export function interleave(rounds: number, tasks: readonly ((counts: boolean) => void)[]): void {
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const i of tasks.keys()) tasks[(i + round + WARM_UP) % tasks.length]?.(round >= 0);
  }
}

const WARM_UP = 3;

/** The sums of the samples of each round. */
export function sums(a: readonly Sample[], b: readonly Sample[]): Sample[] {
  return a.map(({ wall, cpu }, i) => ({ wall: wall + (b[i]?.wall ?? 0), cpu: cpu + (b[i]?.cpu ?? 0) }));
}
