/** Taking turns: work about one thing is done in the order in which it came, work about others meanwhile. */

export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Does the work once all that came before it for the same thing has ended, however it did. */
  async take<T>(thing: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(thing);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last.set(thing, promise);
    try {
      await before;
      return await work();
    } finally {
      resolve();
      if (this.#last.get(thing) === promise) this.#last.delete(thing);
    }
  }
}
