import { demand, type Requirement } from "../requirement.ts";
import { type Attached, type Container, type Outcome, type Result, type Stage, said } from "../stage.ts";
import { demandState, demandWhole, settledState } from "../state.ts";
import { hasFixedAddresses } from "../subject.ts";

const section = "Lifecycle & Ordering";
const PODS = 20;
/** Where they have to be attached one by one first. */
const FEWER = 12;

export const concurrencyRequirements: readonly Requirement[] = [
  {
    id: "parallel-add",
    section,
    level: "must",
    says: `${PODS} ADDs at once succeed, with addresses that differ`,
    async judge(stage) {
      const all = await addAll(stage, await prepare(stage, PODS));
      const addresses = all.flatMap(({ result }) => (result.ips ?? []).map(({ address }) => address));
      const different = new Set(addresses).size;
      demand(different === addresses.length || hasFixedAddresses(stage.subject), `only ${different} addresses differ`);
    },
  },
  {
    id: "parallel-del",
    section,
    level: "must",
    says: `${FEWER} DELs at once succeed, and leave nothing`,
    async judge(stage) {
      const before = await settledState(stage);
      const all: Attached[] = [];
      for (const prepared of await prepare(stage, FEWER)) all.push(...(await addAll(stage, [prepared])));
      await deleteAll(stage, all);
      for (const each of all) await stage.undoBefore(each, each.result);
      await demandState(stage, before, `after ${FEWER} DELs at once`);
    },
  },
  {
    id: "parallel-mixed",
    section,
    level: "must",
    says: "ADDs and DELs of different containers at once succeed, and leave the others whole",
    async judge(stage) {
      const half = FEWER / 2;
      const staying = await addAll(stage, await prepare(stage, 2));
      const leaving: Attached[] = [];
      for (const prepared of await prepare(stage, half)) leaving.push(...(await addAll(stage, [prepared])));
      const coming = await prepare(stage, half);
      const [came] = await Promise.all([addAll(stage, coming), deleteAll(stage, leaving)]);
      for (const each of [...staying, ...came]) await demandWhole(stage, each, "after ADDs and DELs at once");
    },
  },
];

interface Prepared {
  readonly container: Container;
  readonly prevResult: Result | undefined;
}

/** Containers for which all is done but the ADD of the plugin that is judged. */
async function prepare(stage: Stage, number: number): Promise<Prepared[]> {
  const all: Prepared[] = [];
  for (let i = 0; i < number; i++) {
    const container = await stage.container();
    all.push({ container, prevResult: await stage.before(container) });
  }
  return all;
}

async function addAll(stage: Stage, all: readonly Prepared[]): Promise<Attached[]> {
  const outcomes = await Promise.all(
    all.map(({ container, prevResult }) => stage.call("ADD", { container, fields: { prevResult } })),
  );
  demandAll("ADD", outcomes);
  return all.map(({ container }, i) => ({ ...container, result: outcomes[i]?.answer as Result }));
}

async function deleteAll(stage: Stage, all: readonly Attached[]): Promise<void> {
  const calls = all.map((each) => stage.call("DEL", { container: each, fields: { prevResult: each.result } }));
  demandAll("DEL", await Promise.all(calls));
}

function demandAll(verb: string, outcomes: readonly Outcome[]): void {
  const failed = outcomes.filter(({ status }) => status !== 0);
  const [first] = failed;
  demand(first === undefined, `${failed.length} of ${outcomes.length} ${verb}s fail: ${first && said(first)}`);
}
