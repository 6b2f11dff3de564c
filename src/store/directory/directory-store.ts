/**
 * The store of one machine: a folder with a file for each document, for labs and for a single node.
 *
 * Every change is made under one lock: first a line in the journal, then the document's file by rename. Readers share
 * the lock, so a watcher that finds a line sees the document as it is after it; a line whose writer was killed before
 * the rename leads to a document that has not changed, which is passed over.
 *
 * ```
 * <folder>/lock
 * <folder>/journal              which documents changed, in order
 * <folder>/sessions/<id>.json
 * <folder>/<kind>/<name>.json   { revision, session, value }
 * ```
 */

import { existsSync, type FSWatcher, watch as watchFolder } from "node:fs";
import { namesIn, readTextIfExists, removeFileIfExists, withLock, writeFileAtomic } from "../../linux/file.ts";
import {
  type Change,
  CompactedError,
  ConflictingWriteError,
  checkName,
  type Entry,
  type Listing,
  type Revision,
  type Session,
  type Store,
  StoreUnavailableError,
} from "../store.ts";
import { Journal } from "./journal.ts";
import { SessionFiles } from "./session.ts";

const SUFFIX = ".json";

/** Bytes of changes that are kept for watchers that come back. */
const JOURNAL_BYTES = 1 << 20;

/** Milliseconds between two looks for sessions that have expired, and for a folder that is away. */
const PERIOD = 500;

interface DocumentFile {
  readonly revision: number;
  readonly session?: string;
  readonly value: unknown;
}

export interface DirectoryOptions {
  /** For tests: how many bytes of changes are kept. */
  readonly journalBytes?: number;
}

export class DirectoryStore implements Store {
  readonly #folder: string;
  readonly #journal: Journal;
  readonly #sessions: SessionFiles;
  readonly #closed = new AbortController();
  /** Woken whenever something may have changed. */
  readonly #waiting = new Set<() => void>();
  #watcher: FSWatcher | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** The folder must be there; what is in it is made when it is first needed. */
  constructor(folder: string, { journalBytes = JOURNAL_BYTES }: DirectoryOptions = {}) {
    this.#folder = folder;
    this.#journal = new Journal(`${folder}/journal`, journalBytes);
    this.#sessions = new SessionFiles(`${folder}/sessions`);
  }

  async get(kind: string, name: string): Promise<Entry | undefined> {
    checkName(kind, name);
    return this.#reading(() => this.#entry(kind, name));
  }

  async list(kind: string): Promise<Listing> {
    checkName(kind);
    return this.#reading(() => {
      const names = namesIn(`${this.#folder}/${kind}`).filter((file) => file.endsWith(SUFFIX));
      const entries = names.map((file) => this.#entry(kind, file.slice(0, -SUFFIX.length)));
      return {
        entries: entries.filter((entry) => entry !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1)),
        revision: String(this.#journal.last()),
      };
    });
  }

  async *watch(kind: string, after: Revision, signal: AbortSignal): AsyncIterable<Change> {
    checkName(kind);
    const ended = AbortSignal.any([signal, this.#closed.signal]);
    let from = Number(after);
    this.#startLooking();
    while (!ended.aborted) {
      const next = this.#wait(ended);
      let changes: Change[] = [];
      try {
        [changes, from] = this.#changes(kind, from);
      } catch (error) {
        // A folder that is away may come back.
        if (!(error instanceof StoreUnavailableError)) throw error;
      }
      for (const change of changes) {
        if (ended.aborted) return;
        yield change;
      }
      if (changes.length === 0) await next;
    }
  }

  async create(kind: string, name: string, value: unknown, session?: Session): Promise<Revision> {
    checkName(kind, name);
    return this.#writing(() => {
      if (this.#document(kind, name) !== undefined) throw new ConflictingWriteError("create", kind, name);
      if (session !== undefined && !this.#sessions.adopt(session.id, `${kind}/${name}`)) {
        throw new StoreUnavailableError(`Cannot create "${kind}/${name}": the session of its owner has ended`);
      }
      return this.#write(kind, name, { value, session: session?.id });
    });
  }

  async update(kind: string, name: string, value: unknown, revision: Revision): Promise<Revision> {
    checkName(kind, name);
    return this.#writing(() => {
      const { session } = this.#documentAt("update", kind, name, revision);
      return this.#write(kind, name, { value, session });
    });
  }

  async delete(kind: string, name: string, revision: Revision): Promise<void> {
    checkName(kind, name);
    this.#writing(() => {
      this.#documentAt("delete", kind, name, revision);
      this.#remove(kind, name);
    });
  }

  async openSession(ttl: number): Promise<Session> {
    const id = crypto.randomUUID();
    const lost = new AbortController();
    this.#writing(() => this.#sessions.begin(id, ttl));
    this.#startLooking();
    const renewal = setInterval(() => {
      try {
        if (!this.#writing(() => this.#sessions.renew(id, ttl))) end();
      } catch (error) {
        // Away; the session ends when it stays so, and the next renewal tells.
        if (!(error instanceof StoreUnavailableError)) throw error;
      }
    }, ttl / 3);
    const end = () => {
      clearInterval(renewal);
      lost.abort();
    };
    this.#closed.signal.addEventListener("abort", () => clearInterval(renewal));
    return {
      id,
      lost: lost.signal,
      close: async () => {
        clearInterval(renewal);
        this.#writing(() => this.#endSession(id));
      },
    };
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#watcher?.close();
    clearInterval(this.#timer);
    this.#wake();
  }

  /** The changes of a kind after a revision, and the revision that they lead to. */
  #changes(kind: string, after: number): [Change[], number] {
    return this.#reading(() => {
      const { lines, revision } = this.#journal.after(after);
      // Of each document the last line alone counts: its file is as that left it.
      const last = new Map(lines.filter((line) => line.kind === kind).map((line) => [line.name, line]));
      const changes = [...last.values()].map(({ name, revision: at }): Change | undefined => {
        const entry = this.#entry(kind, name);
        if (entry === undefined) return { type: "delete", kind, name, revision: String(at) };
        return Number(entry.revision) > after ? { type: "put", entry } : undefined;
      });
      return [changes.filter((change) => change !== undefined), revision];
    });
  }

  #entry(kind: string, name: string): Entry | undefined {
    const document = this.#document(kind, name);
    return document && { kind, name, value: document.value, revision: String(document.revision) };
  }

  /** One whose session has expired is as good as deleted, which somebody will soon do. */
  #document(kind: string, name: string): DocumentFile | undefined {
    const document = this.#file(kind, name);
    return document?.session === undefined || this.#sessions.isAlive(document.session) ? document : undefined;
  }

  #file(kind: string, name: string): DocumentFile | undefined {
    const text = readTextIfExists(this.#path(kind, name));
    return text === undefined ? undefined : (JSON.parse(text) as DocumentFile);
  }

  #documentAt(verb: string, kind: string, name: string, revision: Revision): DocumentFile {
    const document = this.#document(kind, name);
    if (document === undefined || String(document.revision) !== revision) {
      throw new ConflictingWriteError(verb, kind, name);
    }
    return document;
  }

  #write(kind: string, name: string, document: Omit<DocumentFile, "revision">): Revision {
    const revision = this.#journal.append(kind, name);
    writeFileAtomic(this.#path(kind, name), JSON.stringify({ revision, ...document }), { sync: true });
    return String(revision);
  }

  #remove(kind: string, name: string): void {
    this.#journal.append(kind, name);
    removeFileIfExists(this.#path(kind, name));
  }

  /** Its documents first, so that a process that is killed here leaves a session that still names the rest. */
  #endSession(id: string): void {
    for (const document of this.#sessions.documents(id)) {
      const [kind = "", name = ""] = document.split("/");
      if (this.#file(kind, name)?.session === id) this.#remove(kind, name);
    }
    this.#sessions.end(id);
  }

  #path(kind: string, name: string): string {
    return `${this.#folder}/${kind}/${name}${SUFFIX}`;
  }

  #reading<T>(work: () => T): T {
    return this.#locked("shared", work);
  }

  #writing<T>(work: () => T): T {
    const result = this.#locked("exclusive", work);
    this.#wake();
    return result;
  }

  #locked<T>(mode: "shared" | "exclusive", work: () => T): T {
    if (!existsSync(this.#folder)) throw new StoreUnavailableError(`The store "${this.#folder}" is not there`);
    try {
      return withLock(`${this.#folder}/lock`, mode, work);
    } catch (error) {
      if (error instanceof ConflictingWriteError || error instanceof CompactedError) throw error;
      if (error instanceof StoreUnavailableError) throw error;
      throw new StoreUnavailableError(`The store "${this.#folder}" cannot be used`, { cause: error });
    }
  }

  /** Resolves when something may have changed, or the signal has come. */
  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener("abort", done);
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  /** Looks out for changes by other processes, and for sessions that expire. */
  #startLooking(): void {
    this.#timer ??= setInterval(() => this.#look(), PERIOD);
    this.#startWatching();
  }

  #startWatching(): void {
    if (this.#watcher !== undefined || this.#closed.signal.aborted || !existsSync(this.#folder)) return;
    this.#watcher = watchFolder(this.#folder, () => this.#wake());
    this.#watcher.on("error", () => this.#stopWatching());
  }

  #stopWatching(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #look(): void {
    // A folder that went away takes its watch along; one that came back needs a new one.
    if (!existsSync(this.#folder)) this.#stopWatching();
    else this.#startWatching();
    try {
      if (this.#sessions.expired().length > 0) {
        this.#writing(() => {
          for (const id of this.#sessions.expired()) this.#endSession(id);
        });
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
    this.#wake();
  }
}
