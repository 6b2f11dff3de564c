/** How many histories are run, and which: by environment variables, as docs/testing.md has them. */

import { expect } from "bun:test";
import { MemoryStore } from "../support/memory-store.ts";
import { seededRandom } from "../support/random.ts";
import { type MakeStore, type Outcome, type Run, runHistories } from "./run.ts";
import { USABLE } from "./world.ts";

/** Of so many histories, or more, each happening is in some. */
const ENOUGH = 100;

/** How many of them are told once more in memory. */
const COMPARED = 5;

export const inMemory: MakeStore = async () => ({ store: new MemoryStore(), dispose: async () => {} });

/** How many histories there are to be in a kind of store: `usual` unless somebody has asked for another number. */
export function historiesIn(kind: string, usual: number): number {
  const { TENDRIL_TEST_HISTORIES, TENDRIL_TEST_STORE } = process.env;
  if (TENDRIL_TEST_STORE !== undefined && TENDRIL_TEST_STORE !== kind) return 0;
  return Number(TENDRIL_TEST_HISTORIES ?? usual);
}

/** Runs them, with a seed that is printed, and expects that they have been about what they are for. */
export async function expectHistories(
  kind: string,
  count: number,
  make: MakeStore,
  { lanes, pools }: Pick<Run, "lanes" | "pools"> = {},
): Promise<void> {
  const { seed } = seededRandom(`${count} histories of three agents in ${kind}`);
  const begun = performance.now();
  const outcome = await runHistories({ seed, count, make, pools, lanes });
  const each = (performance.now() - begun) / count;
  console.log(`${kind}: ${count} histories, ${each.toFixed(0)} ms each: ${JSON.stringify(outcome.happened)}`);
  expectHappenings(outcome, count);
  if (make !== inMemory) await expectSameInMemory(seed, Math.min(count, COMPARED), outcome);
}

function expectHappenings({ happened }: Outcome, count: number): void {
  expect(happened.given).toBeGreaterThan(count * USABLE);
  // Of a few histories none may have what is rarer.
  if (count < ENOUGH) return;
  expect(happened.moved).toBeGreaterThan(count);
  expect(happened.handedOver).toBeGreaterThan(count);
  const rarer = Object.entries(happened).filter(([, times]) => times < count / 20);
  expect(rarer).toEqual([]);
}

/** A seed has one story, whatever the store: else the stores would differ in what they promise. */
async function expectSameInMemory(seed: number, count: number, { stories }: Outcome): Promise<void> {
  const again = await runHistories({ seed, count, make: inMemory });
  for (const [own, story] of again.stories) expect([own, stories.get(own)]).toEqual([own, story]);
}
