/**
 * Which addresses an attachment holds, without reading every lease: the file `.owners` beside the leases.
 *
 * Leases are files named by address, so finding an owner's means reading them all: for a thousand 8 ms in a fresh
 * process, longer than all the rest of an ADD. The index is a line for each lease, read and searched in 0.2 ms.
 *
 * The reference plugin may use the folder too, and knows nothing of an index. So the index is believed only while
 * nobody else has changed the folder, which the kernel tells us: creating, renaming or removing a file sets the
 * folder's modification time. After each change of our own we set that time to the index's *stamp*, a whole second of
 * the day before. Any change by another program moves it to the present, and the stamp is never the present, however
 * coarse the file system's clock; then the index is made anew from the leases. All of this happens under the folder's
 * lock, which the reference plugin takes for each change. A process killed half-way has not set the time back, so its
 * index is not believed either; nor is one of another boot, whose last writes may be lost.
 *
 * A believed index names at least every lease that exists. It may name more (a removal is not noted), so what it
 * finds is looked up in the lease itself. Any failure to write it leaves it unbelieved and does no harm. What it cannot
 * see is a lease that somebody writes over in place, which neither plugin does; so whoever is told that an attachment
 * holds nothing, and must be certain, reads the leases after all.
 */

import {
  closeFile,
  type FileStatus,
  O_APPEND,
  O_WRONLY,
  openFile,
  readText,
  setModified,
  statFile,
  writeText,
} from "../../linux/libc-file.ts";
import { readLease, readLeases, writeWhole } from "./lease-files.ts";

const NAME = ".owners";

/** Room for lines of released leases, in characters, before the index is made anew; beyond that it may double. */
const SLACK = 16 * 1024;

/** The time between the stamp and the present, in seconds. */
const STAMP_AGE = 86_400;

export interface OwnerIndex {
  /** The modification time of the folder that vouches for the index, in seconds of the epoch. */
  readonly stamp: number;
  /** Lines of address, space, content as a JSON string. */
  text: string;
  /** Whether the file has all that `text` has. */
  written: boolean;
  /** Whether it was made from the leases in this call, so that it knows them for certain. */
  readonly fresh: boolean;
}

/** Reads the index, or makes it anew from the leases where it cannot be believed. Throws FileError. */
export function openOwnerIndex(directory: string, bootId: string, now: number): OwnerIndex {
  return readBelieved(directory, bootId) ?? makeOwnerIndex(directory, bootId, now);
}

function readBelieved(directory: string, bootId: string): OwnerIndex | undefined {
  let text: string;
  let folder: FileStatus;
  try {
    text = readText(`${directory}/${NAME}`);
    folder = statFile(directory);
  } catch {
    return undefined;
  }
  const end = text.indexOf("\n");
  const [form, boot, inode, stamp, size] = text.slice(0, end).split(" ");
  if (form !== "owners1" || boot !== bootId || inode !== String(folder.inode)) return undefined;
  if (folder.modifiedMs !== Number(stamp) * 1000) return undefined;
  if (text.length > 2 * Number(size) + SLACK) return undefined;
  return { stamp: Number(stamp), text: text.slice(end), written: true, fresh: false };
}

function makeOwnerIndex(directory: string, bootId: string, now: number): OwnerIndex {
  const stamp = Math.floor(now / 1000) - STAMP_AGE;
  let text = "\n";
  for (const { address, content } of readLeases(directory)) text += line(address, content);
  const index: OwnerIndex = { stamp, text, written: false, fresh: true };
  try {
    const header = `owners1 ${bootId} ${statFile(directory).inode} ${stamp} ${text.length}`;
    writeWhole(directory, NAME, `${header}${text}`);
    index.written = true;
  } catch {
    // The next call makes it anew.
  }
  return index;
}

function line(address: string, content: string): string {
  return `${address} ${JSON.stringify(content)}\n`;
}

/** The addresses whose lease has this content now. Throws FileError. */
export function findLeases(directory: string, index: OwnerIndex, content: string): string[] {
  // JSON text has no line breaks and no unescaped quotes, so a match begins and ends where a content does.
  const pattern = ` ${JSON.stringify(content)}\n`;
  const found: string[] = [];
  for (let at = index.text.indexOf(pattern); at >= 0; at = index.text.indexOf(pattern, at + 1)) {
    const address = index.text.slice(index.text.lastIndexOf("\n", at) + 1, at);
    if (!found.includes(address) && readLease(directory, address) === content) found.push(address);
  }
  return found;
}

/** Notes a lease that is about to be written: first the line, then the lease, so that none is ever without. */
export function noteLease(directory: string, index: OwnerIndex, address: string, content: string): void {
  const added = line(address, content);
  index.text += added;
  if (!index.written) return;
  try {
    append(`${directory}/${NAME}`, added);
  } catch {
    index.written = false;
  }
}

function append(path: string, text: string): void {
  const fd = openFile(path, O_WRONLY | O_APPEND);
  try {
    writeText(fd, text);
  } finally {
    closeFile(fd);
  }
}

/** Vouches for the index after the last change of this call. */
export function sealOwnerIndex(directory: string, index: OwnerIndex): void {
  if (!index.written) return;
  try {
    setModified(directory, index.stamp);
  } catch {
    // The folder's time stays at the present, and the next call makes the index anew.
  }
}
