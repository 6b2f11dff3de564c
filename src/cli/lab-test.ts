/** `tendril lab test`: who reaches whom, and scenarios of what happens to a cluster. */

import { TendrilError } from "../core/errors.ts";
import { testConnectivity } from "../lab/connectivity.ts";
import { runScenario, type Scenario, type ScenarioReport } from "../lab/scenario.ts";
import { SCENARIOS } from "../lab/scenarios/index.ts";
import { labStatus } from "../lab/status.ts";
import { alignColumns } from "../lab/table.ts";
import { chosenRecord, type LabOptions, type MakeVerb, withLab, withOutput } from "./lab-choice.ts";
import { type Output, output, printTest } from "./lab-output.ts";

interface TestOptions extends LabOptions {
  readonly scenario?: string;
  readonly list?: true;
  readonly storeAway: string;
}

/** Adds the verb. `exit` hears the status to end with. */
export function addTestVerb(verb: MakeVerb, exit: (status: number) => void): void {
  withOutput(
    withLab(
      verb(
        "test",
        "send packets from everybody to everybody and compare, or play a scenario",
        "tendril lab test --scenario agent-restart",
      ),
    ),
  )
    .option("-s, --scenario <name>", "play this scenario, or all of them")
    .option("--list", "name the scenarios")
    .option("--store-away <seconds>", "how long scenario store-away stops the store", "10")
    .action(async (options: TestOptions) => exit(await test(options)));
}

async function test(options: TestOptions): Promise<number> {
  const out = output(options.output);
  if (options.list) {
    const rows = SCENARIOS.map(({ name, about }) => [name, about]);
    out.result(
      SCENARIOS.map(({ name, about }) => ({ name, about })),
      () => alignColumns(rows),
    );
    return 0;
  }
  return options.scenario === undefined
    ? testAll(options, out)
    : playScenarios(options, chosenScenarios(options.scenario), out);
}

async function testAll(options: TestOptions, out: Output): Promise<number> {
  const { lab } = chosenRecord(options);
  const report = testConnectivity(lab);
  const failed = report.findings.some(({ problem }) => problem !== undefined);
  // A broken lab tells what is broken by itself, where a packet only tells that it did not arrive.
  const damage = failed ? (await labStatus(lab.name)).members.filter(({ findings }) => findings.length > 0) : [];
  printTest(out, lab, report, damage);
  return failed ? 1 : 0;
}

async function playScenarios(options: TestOptions, scenarios: readonly Scenario[], out: Output): Promise<number> {
  const { lab } = chosenRecord(options);
  const storeAway = Number(options.storeAway);
  if (!(storeAway > 0)) throw new TendrilError(`--store-away takes seconds, not "${options.storeAway}"`);
  const reports: ScenarioReport[] = [];
  for (const scenario of scenarios) {
    if (options.output === "table") console.log(`\n${out.paint.strong(scenario.name)}: ${scenario.about}`);
    const report = await runScenario(scenario, lab.name, {
      storeAway,
      step: out.progress,
      check: ({ expected, seen, ok }) => {
        if (options.output === "json") return;
        console.log(`  ${ok ? out.paint.good("✔") : out.paint.bad("✘")} expected: ${expected}`);
        console.log(`      saw: ${ok ? seen : out.paint.bad(seen)}`);
      },
    });
    if (report.skipped !== undefined) out.progress(`left out: ${report.skipped}`);
    reports.push(report);
  }
  const good = reports.filter(({ ok }) => ok).length;
  out.result(reports, () => ["", `${good} of ${reports.length} scenarios as expected`]);
  return good === reports.length ? 0 : 1;
}

function chosenScenarios(name: string): readonly Scenario[] {
  if (name === "all") return SCENARIOS;
  const found = SCENARIOS.filter((scenario) => scenario.name === name);
  if (found.length > 0) return found;
  const known = SCENARIOS.map((scenario) => scenario.name).join(", ");
  throw new TendrilError(`There is no scenario "${name}"`, { details: `There are ${known}, and all.` });
}
