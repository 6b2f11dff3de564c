/** Waiting between attempts, each longer than the one before, and nobody at the same time as everybody else. */

import { sleep } from "../sleep.ts";

/** Milliseconds. */
const FIRST = 250;
const MOST = 15_000;

export class Backoff {
  #next = FIRST;

  /** Waits; less than a quarter of a second the first time, up to 15 seconds in the end. */
  async wait(signal: AbortSignal): Promise<void> {
    const most = this.#next;
    this.#next = Math.min(2 * most, MOST);
    await sleep(most * (0.5 + Math.random() / 2), signal);
  }

  /** After a success. */
  reset(): void {
    this.#next = FIRST;
  }
}
