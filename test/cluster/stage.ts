/** A lab for the tests of one file, made of the executables in dist/. */

import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeDown } from "../../src/lab/down.ts";
import { type ExampleName, exampleFile } from "../../src/lab/example.ts";
import { execInMember } from "../../src/lab/exec.ts";
import { type LabOverrides, parseLabFile } from "../../src/lab/lab-file.ts";
import { labFolder } from "../../src/lab/names.ts";
import { type LabRecord, netnsNamesOf } from "../../src/lab/record.ts";
import { runScenario, type ScenarioReport } from "../../src/lab/scenario.ts";
import { SCENARIOS } from "../../src/lab/scenarios/index.ts";
import { bringUp } from "../../src/lab/up.ts";
import { type Need, needs, root } from "../support/needs.ts";

const dist = join(import.meta.dir, "../../dist");

const executables: Need = () =>
  existsSync(join(dist, "cni/tendril")) ? undefined : "no dist/cni/tendril (npm run build)";

export const plugins = join(dist, "cni");
/** The command that is the program. */
export const tendril = [join(dist, "tendril")];

/** What every test of a cluster needs. */
export const clusterNeeds: readonly Need[] = [root, executables];

export const clusterTest = needs(...clusterNeeds);

/** How long the scenarios stop the store, in seconds. */
const STORE_AWAY = 10;

export interface Stage {
  readonly lab: string;
  /** Plays a scenario. */
  readonly play: (name: string) => Promise<ScenarioReport>;
}

/** Has an example's lab up while the tests of this file run, and nothing of it left after them. */
export function stage(
  word: string,
  example: ExampleName,
  overrides: LabOverrides = {},
  more: readonly Need[] = [],
): Stage {
  const lab = `t${process.pid}${word}`;
  const isPossible = [...clusterNeeds, ...more].every((need) => need() === undefined);
  beforeAll(async () => {
    if (!isPossible) return;
    const description = parseLabFile(exampleFile(example), { ...overrides, name: lab });
    await bringUp(description, { plugins, program: tendril });
  });
  afterAll(() => {
    takeDown(lab);
    expect(netnsNamesOf(lab)).toEqual([]);
    expect(existsSync(labFolder(lab))).toBe(false);
  });
  const play = (name: string) => {
    const scenario = SCENARIOS.find((each) => each.name === name);
    if (scenario === undefined) throw new Error(`There is no scenario "${name}"`);
    return runScenario(scenario, lab, { storeAway: STORE_AWAY, step: () => {}, check: () => {} });
  };
  return { lab, play };
}

/** What the program prints in a member of a lab. Fails unless its exit status is 0. */
export async function outputInMember(record: LabRecord, member: string, ...args: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "tendril-lab-exec-"));
  const file = join(folder, "said");
  try {
    const status = await execInMember(record, member, ["sh", "-c", `"$@" >${file}`, "sh", ...tendril, ...args]);
    const said = readFileSync(file, "utf8");
    expect({ status, said }).toEqual({ status: 0, said });
    return said;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Fails with what was expected and seen unless all of a scenario came out so. */
export function expectGood(report: ScenarioReport): void {
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
  expect(report.checks.length).toBeGreaterThan(0);
  expect(report.skipped).toBeUndefined();
}
