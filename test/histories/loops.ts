/** What a simulated process does again and again: each thing beside the others, once more whenever it is told to. */

import { ConflictingWriteError, StoreUnavailableError } from "../../src/store/store.ts";
import type { Random } from "../support/random.ts";

export class Loops {
  /** Has each go round once more; none of those that are on their way. */
  readonly #waiting = new Map<string, () => void>();
  readonly #failed: (error: unknown) => void;

  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /** Begins with the first time. */
  start(name: string, work: () => Promise<void>): void {
    const round = async () => {
      for (;;) {
        try {
          await work();
        } catch (error) {
          if (!isOfStore(error)) this.#failed(error);
        }
        await new Promise<void>((resolve) => this.#waiting.set(name, resolve));
      }
    };
    void round();
  }

  tick(): void {
    for (const name of [...this.#waiting.keys()]) this.#wake(name);
  }

  tickOne(random: Random): void {
    const names = [...this.#waiting.keys()];
    if (names.length > 0) this.#wake(random.pick(names));
  }

  #wake(name: string): void {
    const resolve = this.#waiting.get(name);
    this.#waiting.delete(name);
    resolve?.();
  }
}

/** A store that does not answer, or another who was first, is nothing out of the way. */
export function isOfStore(error: unknown): boolean {
  return error instanceof StoreUnavailableError || error instanceof ConflictingWriteError;
}
