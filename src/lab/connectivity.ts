/** The test of a lab: everybody sends to everybody, and what is seen is compared with what should be. */

import { readResults, tunnelAddresses } from "./attached.ts";
import { type Expectation, expectMatrix, type Observed, type Participant, participants } from "./expectation.ts";
import { type Lab, podPaths } from "./lab.ts";
import { linkMtu } from "./link-state.ts";
import { netnsName, UPLINK } from "./names.ts";
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
    const all = participants(lab, observe(lab));
    const expectations = expectMatrix(lab, all);
    const places = all.map(({ name, addresses }) => ({ member: name, netns: netnsName(lab.name, name), addresses }));
    const outcomes = runProbes(expectations, places);
    const findings = expectations.map((expected, i) => judge(expected, outcomes[i] ?? { reached: false }));
    return { participants: all, findings, milliseconds: performance.now() - start };
  } finally {
    unlock();
  }
}

/** What the kernel and the plugins know of the members. Those whose namespace is gone are left out. */
function observe(lab: Lab): Observed {
  const mtus = podPaths(lab).flatMap((path) => {
    const mtu = linkMtu(netnsName(lab.name, path), UPLINK);
    return mtu === undefined ? [] : [[path, mtu] as const];
  });
  return { results: readResults(lab), mtus: new Map(mtus), tunnels: tunnelAddresses(lab) };
}

/** Compares what was seen with what should be. */
export function judge(expected: Expectation, seen: ProbeOutcome): Finding {
  const problem = problemOf(expected, seen);
  return problem === undefined ? { expected, seen } : { expected, seen, problem };
}

function problemOf(expected: Expectation, seen: ProbeOutcome): string | undefined {
  const { reaches, source, from, protocol, refused, size } = expected;
  if (refused) {
    if (seen.reached || seen.source !== undefined) return `of ${size} bytes was let through, but is more than the MTU`;
    return seen.error === "EMSGSIZE" ? undefined : `of ${size} bytes was not refused by the sender (${seen.error})`;
  }
  if (!reaches) {
    if (seen.reached) return "was reached, but should not be";
    return seen.source === undefined ? undefined : "was not to get anything, but the request arrived";
  }
  if (!seen.reached) {
    if (seen.source !== undefined) return `the request arrived, but no answer came back (${seen.error})`;
    if (seen.error !== "ETIMEDOUT") return `not reached (${seen.error})`;
    if (size !== undefined) return `of ${size} bytes did not arrive`;
    // What arrives of a connection that is not made is not seen here.
    return protocol === "tcp" ? "no connection" : "no answer, and nothing arrived";
  }
  if (source !== undefined && seen.source !== source) {
    return `saw ${from} as ${seen.source ?? "nobody"}, not as ${source}`;
  }
  return undefined;
}
