/** Whether the store answers, and since when it does or does not. */

import type { Log } from "../cluster/log.ts";
import type { StoreUnavailableError } from "../store/store.ts";

export class StoreHealth {
  readonly #log: Log;
  #available = false;
  #since = new Date();
  #problem: string | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  get available(): boolean {
    return this.#available;
  }

  get since(): Date {
    return this.#since;
  }

  /** Why it does not answer; undefined when it does, and before it has been asked. */
  get problem(): string | undefined {
    return this.#problem;
  }

  answered(): void {
    if (!this.#available) this.#turn(true);
    this.#problem = undefined;
  }

  failed(error: StoreUnavailableError): void {
    if (this.#available || this.#problem === undefined) {
      this.#turn(false);
      this.#log.warn("the store does not answer", { error: error.message });
    }
    this.#problem = error.message;
  }

  #turn(available: boolean): void {
    this.#available = available;
    this.#since = new Date();
    if (available) this.#log.info("the store answers");
  }
}
