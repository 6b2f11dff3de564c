/**
 * Sessions of a directory store: a file for each, in which its owner says until when it is alive.
 *
 * Times are of the clock that goes on while the machine sleeps and that nobody sets; so a session of another boot has
 * ended.
 */

import { readFileSync } from "node:fs";
import { namesIn, readTextIfExists, removeFileIfExists, writeFileAtomic } from "../../linux/file.ts";

/** What a session's file says. */
interface SessionFile {
  readonly bootId: string;
  /** Milliseconds after the boot. */
  readonly expires: number;
  /** The documents that go with it, each as `<kind>/<name>`. */
  readonly documents: readonly string[];
}

const SUFFIX = ".json";

export class SessionFiles {
  readonly #folder: string;
  readonly #bootId = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Whether it has neither ended nor expired. */
  isAlive(id: string): boolean {
    return this.#aliveFile(id) !== undefined;
  }

  begin(id: string, ttl: number): void {
    this.#write(id, { bootId: this.#bootId, expires: uptime() + ttl, documents: [] });
  }

  /** Says that the owner is alive; false when the session has ended. */
  renew(id: string, ttl: number): boolean {
    const file = this.#aliveFile(id);
    if (file === undefined) return false;
    this.#write(id, { ...file, expires: uptime() + ttl });
    return true;
  }

  /** Takes note of a document that goes with the session; false when that has ended. */
  adopt(id: string, document: string): boolean {
    const file = this.#aliveFile(id);
    if (file === undefined) return false;
    if (!file.documents.includes(document)) this.#write(id, { ...file, documents: [...file.documents, document] });
    return true;
  }

  /** The documents of a session, whether it is alive or not. */
  documents(id: string): readonly string[] {
    return this.#read(id)?.documents ?? [];
  }

  end(id: string): void {
    removeFileIfExists(this.#path(id));
  }

  /** The sessions that have expired and whose files are still there. */
  expired(): string[] {
    return namesIn(this.#folder)
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => name.slice(0, -SUFFIX.length))
      .filter((id) => !this.isAlive(id));
  }

  #aliveFile(id: string): SessionFile | undefined {
    const file = this.#read(id);
    return file !== undefined && file.bootId === this.#bootId && file.expires > uptime() ? file : undefined;
  }

  #read(id: string): SessionFile | undefined {
    const text = readTextIfExists(this.#path(id));
    return text === undefined ? undefined : (JSON.parse(text) as SessionFile);
  }

  #write(id: string, file: SessionFile): void {
    writeFileAtomic(this.#path(id), JSON.stringify(file));
  }

  #path(id: string): string {
    return `${this.#folder}/${id}${SUFFIX}`;
  }
}

/** Milliseconds since the boot, those asleep too. @see proc(5) /proc/uptime */
function uptime(): number {
  return Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]) * 1000;
}
