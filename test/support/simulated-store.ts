/**
 * A store whose answers come when a seeded scheduler says so, or never, or after the caller has given up on them: for
 * random histories that can be repeated. What is asked of it is done by another store, one thing after the other.
 *
 * Each state of a kind is read from that store once: until something of the kind is written again it would say the same.
 */

import {
  type Change,
  type Entry,
  type Listing,
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
  /** How the store is reached: in its turn, seldom while others go on, or not at all. */
  reach: "well" | "slowly" | "not";
}

export function newProcess(): SimulatedProcess {
  return { dead: false, paused: false, reach: "well" };
}

/** How often in a hundred something is wrong with a request. */
export interface Faults {
  /** Its caller gives up, and it is carried out later. */
  readonly late: number;
  /** It does not arrive. */
  readonly lost: number;
  /** Its answer does not arrive. */
  readonly unanswered: number;
}

interface Operation {
  /** Such as `update blocks`. */
  readonly what: string;
  readonly process: SimulatedProcess;
  readonly apply: () => Promise<unknown>;
  readonly settle: (outcome: () => unknown) => void;
  /** Applied later without anybody's hearing of it. */
  orphan: boolean;
}

interface Answer {
  readonly process: SimulatedProcess;
  readonly tell: () => void;
}

/** What happened in a step: nothing was left to happen, something at the store, or somebody was told. */
export type Step = "nothing" | "done" | "told";

/** How often in so many turns something of a slow process happens. */
const SLOWLY = 12;

export class SimulatedStore {
  readonly #random: Random;
  readonly #backing: Store;
  /** What the store holds, for the test's own eyes. */
  readonly #documents = new Map<string, Entry>();
  /** What the store has said of a kind since it was last written to. */
  readonly #said = new Map<string, Map<string, unknown>>();
  #operations: Operation[] = [];
  /** Answers that have not been told. */
  #answers: Answer[] = [];
  #changes = 0;
  /** Undefined while nothing is wrong: then all requests are carried out, and in no process's turn alone. */
  faults: Faults | undefined;

  constructor(random: Random, backing: Store) {
    this.#random = random;
    this.#backing = backing;
  }

  /** The store as one process sees it. */
  client(process: SimulatedProcess): Store {
    const ask = <T>(what: string, apply: () => Promise<T>): Promise<T> =>
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
        this.#operations.push({ what, process, apply, settle, orphan: false });
      });
    return {
      get: (kind, name) => ask(`get ${kind}`, () => this.#read(kind, name, () => this.#backing.get(kind, name))),
      list: (kind) => ask(`list ${kind}`, () => this.#read<Listing>(kind, "", () => this.#backing.list(kind))),
      create: (kind, name, value) =>
        ask(`create ${kind}`, () => this.#put(kind, name, value, () => this.#backing.create(kind, name, value))),
      update: (kind, name, value, revision) =>
        ask(`update ${kind}`, () =>
          this.#put(kind, name, value, () => this.#backing.update(kind, name, value, revision)),
        ),
      delete: (kind, name, revision) =>
        ask(`delete ${kind}`, async () => {
          this.#said.delete(kind);
          await this.#backing.delete(kind, name, revision);
          this.#changes++;
          this.#documents.delete(`${kind}/${name}`);
        }),
      watch: unused as (kind: string, after: Revision, signal: AbortSignal) => AsyncIterable<Change>,
      openSession: unused as (ttl: number) => Promise<Session>,
      close: async () => {},
    };
  }

  /** Grows with every change of the documents. */
  get changes(): number {
    return this.#changes;
  }

  documents(kind: string): Entry[] {
    const entries = [...this.#documents.values()].filter((entry) => entry.kind === kind);
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  document(kind: string, name: string): Entry | undefined {
    return this.#documents.get(`${kind}/${name}`);
  }

  /** Whether somebody waits for such a thing to be done. */
  isAsked(what: string): boolean {
    return this.#operations.some((operation) => operation.what === what && !operation.orphan);
  }

  /** One thing happens: an operation, or an answer. */
  async step(): Promise<Step> {
    for (let tries = 0; tries < SLOWLY; tries++) {
      const answers = this.faults === undefined ? this.#answers : this.#answers.filter(canHear);
      const count = this.#operations.length + answers.length;
      if (count === 0) return "nothing";
      const at = this.#random.below(count);
      const operation = this.#operations[at];
      const chosen = operation ?? (answers[at - this.#operations.length] as Answer);
      if (this.faults !== undefined && chosen.process.reach === "slowly" && this.#random.below(SLOWLY) > 0) continue;
      if (operation !== undefined) {
        await this.#happen(operation, at);
        return "done";
      }
      this.#answers.splice(this.#answers.indexOf(chosen as Answer), 1);
      if (!chosen.process.dead) (chosen as Answer).tell();
      return "told";
    }
    return "done";
  }

  async #happen(operation: Operation, at: number): Promise<void> {
    const { faults } = this;
    // What nobody waits for any more may come very late.
    if (faults !== undefined && operation.orphan && this.#random.below(20) > 0) return;
    const chance = faults !== undefined && !operation.orphan ? this.#random.below(100) : 100;
    const { late, lost, unanswered } = faults ?? { late: 0, lost: 0, unanswered: 0 };
    if (chance < late) {
      operation.orphan = true;
      operation.settle(silence);
      return;
    }
    this.#operations.splice(at, 1);
    const isLost = chance < late + lost || (faults !== undefined && operation.process.reach === "not");
    const outcome = isLost ? silence : await attempt(operation.apply);
    if (!operation.orphan) operation.settle(chance < late + lost + unanswered ? silence : outcome);
  }

  async #read<T>(kind: string, name: string, read: () => Promise<T>): Promise<T> {
    const said = this.#said.get(kind) ?? new Map<string, unknown>();
    this.#said.set(kind, said);
    if (!said.has(name)) said.set(name, frozen(await read()));
    return said.get(name) as T;
  }

  async #put(kind: string, name: string, value: unknown, write: () => Promise<Revision>): Promise<Revision> {
    this.#said.delete(kind);
    const revision = await write();
    this.#changes++;
    this.#documents.set(`${kind}/${name}`, { kind, name, value: frozen(value), revision });
    return revision;
  }
}

function canHear({ process }: Answer): boolean {
  return !process.paused;
}

/** Several are told the same: nobody is to change it for the others. */
export function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}

function silence(): never {
  throw new StoreUnavailableError("no answer");
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
