/** The test of a lab: everybody sends to everybody, and what is seen is compared with what should be. */

import type { Result } from "../core/result.ts";
import { readResult } from "./attachment.ts";
import { type Expectation, expectMatrix, type Participant, participants } from "./expectation.ts";
import type { Lab } from "./lab.ts";
import { netnsName } from "./names.ts";
import { type ProbeOutcome, runProbes } from "./probe/probe.ts";
import { lockLab } from "./record.ts";

/** One expectation and what became of it. */
export interface Finding {
  readonly expected: Expectation;
  readonly seen: ProbeOutcome;
  /** What is not as expected, in words; undefined when all is. */
  readonly problem?: string;
}

export interface ConnectivityReport {
  readonly participants: readonly Participant[];
  readonly findings: readonly Finding[];
  readonly milliseconds: number;
}

/** Probes the whole matrix of a lab, once no other command works on it. Throws KernelError. */
export function testConnectivity(lab: Lab): ConnectivityReport {
  const unlock = lockLab(lab.name);
  try {
    const start = performance.now();
    const all = participants(lab, readResults(lab));
    const expectations = expectMatrix(lab, all);
    const places = all.map(({ name, addresses }) => ({ member: name, netns: netnsName(lab.name, name), addresses }));
    const outcomes = runProbes(expectations, places);
    const findings = expectations.map((expected, i) => judge(expected, outcomes[i] ?? { reached: false }));
    return { participants: all, findings, milliseconds: performance.now() - start };
  } finally {
    unlock();
  }
}

/** What the plugin answered for each pod, by `node/pod`. */
export function readResults(lab: Lab): Map<string, Result> {
  return new Map(
    lab.nodes.flatMap((node) =>
      node.pods.flatMap((name) => {
        const result = readResult({ lab: lab.name, node, name });
        return result === undefined ? [] : [[`${node.name}/${name}`, result] as const];
      }),
    ),
  );
}

/** Compares what was seen with what should be. */
export function judge(expected: Expectation, seen: ProbeOutcome): Finding {
  const problem = problemOf(expected, seen);
  return problem === undefined ? { expected, seen } : { expected, seen, problem };
}

function problemOf({ reaches, source, from, protocol }: Expectation, seen: ProbeOutcome): string | undefined {
  if (!reaches) {
    if (seen.reached) return "was reached, but should not be";
    return seen.source === undefined ? undefined : "was not to get anything, but the request arrived";
  }
  if (!seen.reached) {
    if (seen.source !== undefined) return `the request arrived, but no answer came back (${seen.error})`;
    if (seen.error !== "ETIMEDOUT") return `not reached (${seen.error})`;
    // What arrives of a connection that is not made is not seen here.
    return protocol === "tcp" ? "no connection" : "no answer, and nothing arrived";
  }
  if (source !== undefined && seen.source !== source) {
    return `saw ${from} as ${seen.source ?? "nobody"}, not as ${source}`;
  }
  return undefined;
}
