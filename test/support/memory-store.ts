/** A store that is only there while the test is. */

import { ConflictingWriteError, type Entry, type Listing, type Revision, type Store } from "../../src/store/store.ts";

export class MemoryStore implements Store {
  readonly #documents = new Map<string, Entry>();
  #revision = 0;

  async get(kind: string, name: string): Promise<Entry | undefined> {
    return this.#documents.get(`${kind}/${name}`);
  }

  async list(kind: string): Promise<Listing> {
    const entries = [...this.#documents.values()].filter((entry) => entry.kind === kind);
    return { entries: entries.sort((a, b) => (a.name < b.name ? -1 : 1)), revision: String(this.#revision) };
  }

  async create(kind: string, name: string, value: unknown): Promise<Revision> {
    if (this.#documents.has(`${kind}/${name}`)) throw new ConflictingWriteError("create", kind, name);
    return this.#put(kind, name, value);
  }

  async update(kind: string, name: string, value: unknown, revision: Revision): Promise<Revision> {
    this.#require("update", kind, name, revision);
    return this.#put(kind, name, value);
  }

  async delete(kind: string, name: string, revision: Revision): Promise<void> {
    this.#require("delete", kind, name, revision);
    this.#documents.delete(`${kind}/${name}`);
  }

  watch(): never {
    throw new Error("This store is not watched");
  }

  openSession(): never {
    throw new Error("This store has no sessions");
  }

  async close(): Promise<void> {}

  #put(kind: string, name: string, value: unknown): Revision {
    this.#revision++;
    const revision = String(this.#revision);
    this.#documents.set(`${kind}/${name}`, { kind, name, value: structuredClone(value), revision });
    return revision;
  }

  #require(verb: string, kind: string, name: string, revision: Revision): void {
    const found = this.#documents.get(`${kind}/${name}`);
    if (found?.revision !== revision) throw new ConflictingWriteError(verb, kind, name);
  }
}
