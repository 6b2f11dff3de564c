/** Scenarios: something happens to a cluster, and what was expected of it is compared with what is seen. */

import { TendrilError } from "../core/errors.ts";
import { takeDown } from "./down.ts";
import type { Lab } from "./lab.ts";
import { parseLabFile } from "./lab-file.ts";
import { type LabRecord, requireRecord } from "./record.ts";
import { bringUp } from "./up.ts";

/** One thing that was expected. */
export interface Check {
  readonly expected: string;
  readonly seen: string;
  readonly ok: boolean;
}

/** What a scenario works with. */
export interface Play {
  /** The lab as it is now: pods and nodes come and go. */
  readonly record: () => LabRecord;
  /** How long to stop the store, in seconds. */
  readonly storeAway: number;
  /** Says what is being done. */
  readonly step: (what: string) => void;
  /** Notes what was expected, what is seen instead or indeed, and whether that is as good. */
  readonly check: (expected: string, seen: string, ok: boolean) => void;
}

export interface Scenario {
  readonly name: string;
  /** What happens, in one line. */
  readonly about: string;
  /** The lab file of a lab of its own; else it is played in the lab that is up. */
  readonly file?: string;
  /** Why it cannot be played in a lab; undefined when it can. */
  readonly unfit?: (lab: Lab) => string | undefined;
  /** Leaves the lab as it was, but for what its `about` says. */
  readonly play: (play: Play) => Promise<void>;
}

export interface ScenarioOptions {
  readonly storeAway: number;
  readonly step: (what: string) => void;
  readonly check: (check: Check) => void;
}

export interface ScenarioReport {
  readonly scenario: string;
  readonly checks: readonly Check[];
  readonly ok: boolean;
  readonly milliseconds: number;
  /** Why it was not played. */
  readonly skipped?: string;
}

/** Plays a scenario in a lab that is up, or in one of its own beside it. An error in it counts as not as expected. */
export async function runScenario(scenario: Scenario, lab: string, options: ScenarioOptions): Promise<ScenarioReport> {
  const start = performance.now();
  const record = requireRecord(lab);
  const unfit = record.lab.cluster === undefined ? "the lab has no agents" : scenario.unfit?.(record.lab);
  if (unfit !== undefined) return { scenario: scenario.name, checks: [], ok: true, milliseconds: 0, skipped: unfit };
  const checks: Check[] = [];
  const check = (expected: string, seen: string, ok: boolean) => {
    checks.push({ expected, seen, ok });
    options.check({ expected, seen, ok });
  };
  try {
    await inItsLab(scenario, record, (name) =>
      scenario.play({ record: () => requireRecord(name), storeAway: options.storeAway, step: options.step, check }),
    );
  } catch (error) {
    if (!(error instanceof TendrilError)) throw error;
    const details = error.details === undefined ? "" : `\n${error.details}`;
    check("the scenario comes to its end", `${error.message}${details}`, false);
  }
  const ok = checks.every((each) => each.ok);
  return { scenario: scenario.name, checks, ok, milliseconds: performance.now() - start };
}

async function inItsLab(
  { file }: Scenario,
  { lab, plugins, program }: LabRecord,
  work: (lab: string) => Promise<void>,
): Promise<void> {
  if (file === undefined) return work(lab.name);
  // A name has 20 characters at most.
  const own = parseLabFile(file, { name: `${lab.name.slice(0, 19)}x`, store: lab.cluster?.store });
  try {
    await bringUp(own, { plugins, program });
    await work(own.name);
  } finally {
    takeDown(own.name);
  }
}
