/** Many histories, one after the other in each of some lanes that go on side by side. */

import type { Store } from "../../src/store/store.ts";
import { randomFrom } from "../support/random.ts";
import { History } from "./history.ts";
import { HAPPENINGS } from "./truth.ts";
import { ONE_POOL, type Pools } from "./world.ts";

/** A store for one history, empty, and what takes it away. */
export type MakeStore = (lane: number) => Promise<{ readonly store: Store; dispose(): Promise<void> }>;

export interface Run {
  /** Of the first; each next one has the next seed. */
  readonly seed: number;
  readonly count: number;
  readonly make: MakeStore;
  /** One of one family unless given. */
  readonly pools?: Pools | undefined;
  /** How many go on side by side, where there is something to wait for; one unless given. */
  readonly lanes?: number | undefined;
}

export interface Outcome {
  /** How often what the histories are about has happened. */
  readonly happened: Readonly<Record<(typeof HAPPENINGS)[number], number>>;
  /** The stories by their seeds, as one number each: a seed has the same one in every store. */
  readonly stories: ReadonlyMap<number, string>;
}

/** Throws for the first history that goes wrong, with its seed and its story. */
export async function runHistories({ seed, count, make, pools = ONE_POOL, lanes = 1 }: Run): Promise<Outcome> {
  const happened = Object.fromEntries(HAPPENINGS.map((what) => [what, 0])) as Record<
    (typeof HAPPENINGS)[number],
    number
  >;
  const stories = new Map<number, string>();
  let next = 0;
  let hasFailed = false;
  const lane = async (number: number) => {
    while (next < count && !hasFailed) {
      const own = seed + next++;
      const { store, dispose } = await make(number);
      const history = new History(randomFrom(own), store, pools);
      try {
        await history.run();
      } catch (error) {
        hasFailed = true;
        throw error;
      } finally {
        history.close();
        await dispose();
      }
      for (const what of HAPPENINGS) happened[what] += history.truth.happened.get(what) ?? 0;
      stories.set(own, Bun.hash(history.truth.story()).toString(16));
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: lanes }, (_, i) => lane(i)));
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  return { happened, stories };
}
