/**
 * The order of changes in a directory store: a file with a line for each change, in which a revision is a position.
 *
 * The first line says at which revision the file begins, so its older part can be forgotten.
 */

import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { writeFileAtomic } from "../../linux/file.ts";
import { CompactedError } from "../store.ts";

/** One change: which document is not as it was before. */
export interface JournalLine {
  readonly kind: string;
  readonly name: string;
  /** After this change. */
  readonly revision: number;
}

/** Digits of the revision in the first line, of which each number up to 2^53 has fewer. */
const DIGITS = 16;
const HEADER_LENGTH = DIGITS + 1;

export class Journal {
  readonly #path: string;
  /** How many bytes of changes are kept at least. */
  readonly #keep: number;

  constructor(path: string, keep: number) {
    this.#path = path;
    this.#keep = keep;
  }

  /** The revision of the last change. Throws as node:fs does. */
  last(): number {
    return this.#opened((fd) => {
      const { base, end } = extent(fd);
      return base + end - HEADER_LENGTH;
    });
  }

  /** Notes a change and returns its revision. To be called while nobody else writes. Throws as node:fs does. */
  append(kind: string, name: string): number {
    return this.#opened((fd) => {
      const { base, end, size } = extent(fd);
      // The rest of a line whose writer was killed.
      if (end < size) ftruncateSync(fd, end);
      const line = Buffer.from(`${kind}/${name}\n`);
      writeSync(fd, line, 0, line.length, end);
      const revision = base + end + line.length - HEADER_LENGTH;
      if (end > HEADER_LENGTH + 2 * this.#keep) this.#forgetOld(fd, revision, end + line.length);
      return revision;
    });
  }

  /** The changes after a revision, and the revision that they lead to. Throws CompactedError, and as node:fs does. */
  after(revision: number): { lines: JournalLine[]; revision: number } {
    return this.#opened((fd) => {
      const { base, end } = extent(fd);
      const start = revision - base + HEADER_LENGTH;
      if (start < HEADER_LENGTH || start > end) {
        throw new CompactedError(`The store has forgotten the changes after revision ${revision}`);
      }
      const lines: JournalLine[] = [];
      let at = revision;
      for (const line of readRange(fd, start, end).split("\n").slice(0, -1)) {
        at += line.length + 1;
        const [kind = "", name = ""] = line.split("/");
        lines.push({ kind, name, revision: at });
      }
      return { lines, revision: at };
    });
  }

  /** Keeps the last changes only, of a file that ends with `revision` at `end`. */
  #forgetOld(fd: number, revision: number, end: number): void {
    const tail = readRange(fd, end - this.#keep, end);
    const kept = tail.slice(tail.indexOf("\n") + 1);
    writeFileAtomic(this.#path, headerLine(revision - kept.length) + kept);
  }

  #opened<T>(work: (fd: number) => T): T {
    const fd = this.#open();
    try {
      return work(fd);
    } finally {
      closeSync(fd);
    }
  }

  #open(): number {
    try {
      return openSync(this.#path, "r+");
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
      writeFileAtomic(this.#path, headerLine(0));
      return openSync(this.#path, "r+");
    }
  }
}

function headerLine(revision: number): string {
  return `${String(revision).padStart(DIGITS, "0")}\n`;
}

/** Where the file begins as a revision, where its last whole line ends, and how long it is. */
function extent(fd: number): { base: number; end: number; size: number } {
  const { size } = fstatSync(fd);
  const base = Number(readRange(fd, 0, DIGITS));
  // A line is a kind and a name, which are shorter than this.
  const from = Math.max(HEADER_LENGTH, size - 512);
  const tail = readRange(fd, from, size);
  return { base, end: from + tail.lastIndexOf("\n") + 1, size };
}

function readRange(fd: number, from: number, to: number): string {
  const buffer = Buffer.alloc(to - from);
  const length = readSync(fd, buffer, 0, buffer.length, from);
  return buffer.toString("latin1", 0, length);
}
