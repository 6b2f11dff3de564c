/**
 * A store whose answers come when a seeded scheduler says so, or never, or after the caller has given up on them: for
 * random histories that can be repeated. What is asked of it is done by another store, one thing after the other.
 */

import {
  type Change,
  type Entry,
  type Revision,
  type Session,
  type Store,
  StoreUnavailableError,
} from "../../src/store/store.ts";
import type { Random } from "./random.ts";

/** A process as the scheduler sees it. */
export interface SimulatedProcess {
  /** A dead one never hears an answer again; what it has asked for may still happen. */
  dead: boolean;
  /** A paused one hears its answers later. */
  paused: boolean;
}

interface Operation {
  readonly process: SimulatedProcess;
  readonly apply: () => Promise<unknown>;
  readonly settle: (outcome: () => unknown) => void;
  /** Applied later without anybody's hearing of it. */
  orphan: boolean;
}

export class SimulatedStore {
  readonly #random: Random;
  readonly #backing: Store;
  /** What the store holds, for the test's own eyes. */
  readonly #documents = new Map<string, Entry>();
  readonly #operations: Operation[] = [];
  /** Answers that wait for their process to go on. */
  readonly #answers: { readonly process: SimulatedProcess; readonly tell: () => void }[] = [];
  /** Whether answers get lost and operations come late. */
  faulty = true;

  constructor(random: Random, backing: Store) {
    this.#random = random;
    this.#backing = backing;
  }

  /** The store as one process sees it. */
  client(process: SimulatedProcess): Store {
    const ask = <T>(apply: () => Promise<T>): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        const settle = (outcome: () => unknown) => {
          const tell = () => {
            try {
              resolve(outcome() as T);
            } catch (error) {
              reject(error);
            }
          };
          this.#answers.push({ process, tell });
        };
        this.#operations.push({ process, apply, settle, orphan: false });
      });
    return {
      get: (kind, name) => ask(() => this.#backing.get(kind, name)),
      list: (kind) => ask(() => this.#backing.list(kind)),
      create: (kind, name, value) =>
        ask(async () => this.#note(kind, name, value, await this.#backing.create(kind, name, value))),
      update: (kind, name, value, revision) =>
        ask(async () => this.#note(kind, name, value, await this.#backing.update(kind, name, value, revision))),
      delete: (kind, name, revision) =>
        ask(async () => {
          await this.#backing.delete(kind, name, revision);
          this.#documents.delete(`${kind}/${name}`);
        }),
      watch: unused as (kind: string, after: Revision, signal: AbortSignal) => AsyncIterable<Change>,
      openSession: unused as (ttl: number) => Promise<Session>,
      close: async () => {},
    };
  }

  documents(kind: string): Entry[] {
    const entries = [...this.#documents.values()].filter((entry) => entry.kind === kind);
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** One thing happens: an operation, or an answer. False when there is nothing to happen. */
  async step(): Promise<boolean> {
    const ready = this.#answers.filter(({ process }) => !process.paused);
    const count = this.#operations.length + ready.length;
    if (count === 0) return false;
    const at = this.#random.below(count);
    const operation = this.#operations[at];
    if (operation !== undefined) {
      await this.#happen(operation, at);
      return true;
    }
    const answer = ready[at - this.#operations.length];
    if (answer !== undefined) {
      this.#answers.splice(this.#answers.indexOf(answer), 1);
      if (!answer.process.dead) answer.tell();
    }
    return true;
  }

  async #happen(operation: Operation, at: number): Promise<void> {
    // What nobody waits for any more may come very late.
    if (this.faulty && operation.orphan && this.#random.below(20) > 0) return;
    const chance = this.faulty && !operation.orphan ? this.#random.below(100) : 100;
    const silence = () => {
      throw new StoreUnavailableError("no answer");
    };
    if (chance < 3) {
      // The caller gives up; the request is still on its way.
      operation.orphan = true;
      operation.settle(silence);
      return;
    }
    this.#operations.splice(at, 1);
    const outcome = chance < 4 ? silence : await attempt(operation.apply);
    if (!operation.orphan) operation.settle(chance < 6 ? silence : outcome);
  }

  #note(kind: string, name: string, value: unknown, revision: Revision): Revision {
    this.#documents.set(`${kind}/${name}`, { kind, name, value: structuredClone(value), revision });
    return revision;
  }
}

/** The outcome of some work, to be thrown or returned later. */
async function attempt(work: () => Promise<unknown>): Promise<() => unknown> {
  try {
    const value = await work();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

function unused(): never {
  throw new Error("This history does not watch");
}
