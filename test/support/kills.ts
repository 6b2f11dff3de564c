/** Killing a call of the executable after each of its steps. */

import { expect } from "bun:test";
import { call, type Host, type PluginCall } from "./plugin-calls.ts";

/** More than the longest plan has: a call that is killed at so many steps would never end. */
const MOST_STEPS = 100;

/** What a test does around each kill. */
export interface KillLoop {
  readonly host: Host;
  readonly call: () => PluginCall | Promise<PluginCall>;
  /** What comes after the kill; `step` tells the failures apart. */
  readonly after: (step: number) => Promise<void>;
  /** How many kills there are at least, or the test tests nothing. */
  readonly atLeast?: number;
}

/** Kills the call after its first step, its second and so on, until one ends by itself, which is returned as it came. */
export async function killAtEachStep({ host, call: make, after, atLeast = 0 }: KillLoop): Promise<unknown> {
  for (let step = 1; step <= MOST_STEPS; step++) {
    const outcome = await call(host, { ...(await make()), killAfter: step });
    if (outcome.killed) {
      await after(step);
      continue;
    }
    expect({ step, status: outcome.status, said: outcome.status === 0 ? "" : outcome.stdout }).toEqual({
      step,
      status: 0,
      said: "",
    });
    expect(step).toBeGreaterThan(atLeast);
    return outcome.answer;
  }
  throw new Error(`The call was still killed at step ${MOST_STEPS}`);
}

/** Fails unless two states are the same; `when` says in the failure what was done before. */
export function expectSameState(when: string, now: readonly string[], before: readonly string[]): void {
  const gone = before.filter((line) => !now.includes(line));
  const added = now.filter((line) => !before.includes(line));
  expect({ when, gone, added }).toEqual({ when, gone: [], added: [] });
}
