/** The documents of one kind as typed values, and a picture of all of them that follows the store. */

import type { DocumentKind } from "../core/cluster.ts";
import { CompactedError, type Entry, type Revision, type Session, type Store } from "./store.ts";

/** A document as it was at a revision. */
export interface Document<T> {
  readonly name: string;
  readonly value: T;
  readonly revision: Revision;
}

export type Documents<T> = ReadonlyMap<string, Document<T>>;

/** All documents of a kind at some time. */
export interface Picture<T> {
  /** Goes on with the store: work with it before the next picture is asked for. */
  readonly documents: Documents<T>;
  /** The names of those that are not as in the picture before; at first all. */
  readonly changed: readonly string[];
}

/** Told of a document that is not what it should be, and is passed over. */
export type Warn = (sentence: string) => void;

export class Collection<T> {
  readonly #store: Store;
  readonly #kind: DocumentKind<T>;
  readonly #warn: Warn;

  constructor(store: Store, kind: DocumentKind<T>, warn: Warn) {
    this.#store = store;
    this.#kind = kind;
    this.#warn = warn;
  }

  /** Throws StoreUnavailableError as all others do. */
  async get(name: string): Promise<Document<T> | undefined> {
    const entry = await this.#store.get(this.#kind.kind, name);
    return entry && this.#document(entry);
  }

  async list(): Promise<Documents<T>> {
    return (await this.#listing()).documents;
  }

  /** Throws ConflictingWriteError when there is one of this name. */
  create(name: string, value: T, session?: Session): Promise<Revision> {
    return this.#store.create(this.#kind.kind, name, value, session);
  }

  /** Throws ConflictingWriteError when it is not at this revision any more, as `delete` does. */
  update({ name, revision }: Document<T>, value: T): Promise<Revision> {
    return this.#store.update(this.#kind.kind, name, value, revision);
  }

  delete({ name, revision }: Document<T>): Promise<void> {
    return this.#store.delete(this.#kind.kind, name, revision);
  }

  /**
   * All documents, again and again as they change, until the signal comes. A store that is away is waited for once it
   * has been listed; before that it throws StoreUnavailableError.
   */
  async *follow(signal: AbortSignal): AsyncIterable<Picture<T>> {
    const documents = new Map<string, Document<T>>();
    while (!signal.aborted) {
      const { documents: now, revision } = await this.#listing();
      const names = new Set([...documents.keys(), ...now.keys()]);
      const changed = [...names].filter((name) => documents.get(name)?.revision !== now.get(name)?.revision);
      for (const name of changed) put(documents, name, now.get(name));
      yield { documents, changed };
      try {
        for await (const change of this.#store.watch(this.#kind.kind, revision, signal)) {
          const document = change.type === "put" ? this.#document(change.entry) : undefined;
          const name = change.type === "put" ? change.entry.name : change.name;
          put(documents, name, document);
          yield { documents, changed: [name] };
        }
        return;
      } catch (error) {
        if (!(error instanceof CompactedError)) throw error;
      }
    }
  }

  async #listing(): Promise<{ documents: Documents<T>; revision: Revision }> {
    const { entries, revision } = await this.#store.list(this.#kind.kind);
    const documents = entries.map((entry) => this.#document(entry)).filter((document) => document !== undefined);
    return { documents: new Map(documents.map((document) => [document.name, document])), revision };
  }

  #document({ kind, name, value, revision }: Entry): Document<T> | undefined {
    try {
      return { name, value: this.#kind.parse(value), revision };
    } catch (error) {
      this.#warn(`The document "${kind}/${name}" of the store is passed over: ${error}`);
      return undefined;
    }
  }
}

function put<T>(documents: Map<string, Document<T>>, name: string, document: Document<T> | undefined): void {
  if (document === undefined) documents.delete(name);
  else documents.set(name, document);
}
