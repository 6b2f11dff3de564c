/**
 * The journal: for each attachment a record of its plan, written before the first change and marked complete after
 * the last, so that a crash at any point is repaired by the next DEL, ADD or GC.
 *
 * Records lie in the run folder, which a reboot empties; rightly, for the namespaces are gone too.
 */

import { type AttachmentKey, formatHash, hash64 } from "../core/names.ts";
import type { Resource } from "../core/plan.ts";
import type { Result } from "../core/result.ts";
import { namesIn, readTextIfExists, removeFileIfExists, TEMPORARY, writeFileAtomic } from "../linux/file.ts";
import { renameFile } from "../linux/libc-file.ts";

/** The version of the format below; a record of another one is set aside. */
const VERSION = 1;

export interface AttachmentRecord {
  readonly version: typeof VERSION;
  /** Pending from before the first change to after the last. */
  readonly state: "pending" | "complete";
  readonly plugin: string;
  /** See {@link RecordId.instance}. */
  readonly instance?: number;
  /** A hash of the configuration of a plugin that may stand in a chain several times. */
  readonly config?: string;
  readonly key: AttachmentKey;
  readonly netns: { readonly path: string; readonly id: string };
  readonly resources: readonly Resource[];
  readonly result?: Result;
}

/** Which attachment, by which plugin of its chain. */
export interface RecordId {
  readonly key: AttachmentKey;
  readonly plugin: string;
  /** Which one of several of the same plugin in one chain, from 0 in the order of their ADDs; absent for the first. */
  readonly instance?: number;
}

/** A record of an attachment that is about to be made. */
export function newRecord(
  { key, plugin, instance }: RecordId,
  about: Pick<AttachmentRecord, "netns" | "config">,
  resources: readonly Resource[],
): AttachmentRecord {
  return { version: VERSION, state: "pending", plugin, instance, key, ...about, resources };
}

/** The records of an attachment by one plugin, which may stand in its chain several times. Throws FileError. */
export function readInstances(runFolder: string, id: RecordId, warn: (sentence: string) => void): AttachmentRecord[] {
  const records: AttachmentRecord[] = [];
  for (;;) {
    const record = readRecord(runFolder, instanceOf(id, records.length), warn);
    if (record === undefined) return records;
    records.push(record);
  }
}

export function instanceOf(id: RecordId, instance: number): RecordId {
  return instance === 0 ? id : { ...id, instance };
}

/** Throws FileError. */
export function writeRecord(runFolder: string, record: AttachmentRecord): void {
  writeFileAtomic(recordPath(runFolder, record), JSON.stringify(record));
}

/** The record of an attachment, or undefined. Throws FileError. */
export function readRecord(
  runFolder: string,
  id: RecordId,
  warn: (sentence: string) => void,
): AttachmentRecord | undefined {
  return readRecordFile(recordPath(runFolder, id), warn);
}

/** Removes a record, and what a process has left that was killed while it wrote one. Throws FileError. */
export function removeRecord(runFolder: string, id: RecordId): void {
  const path = recordPath(runFolder, id);
  removeFileIfExists(`${path}${TEMPORARY}`);
  removeFileIfExists(path);
}

/** Removes what processes have left that were killed while they wrote; to be called while nobody writes. Throws FileError. */
export function removeLeftovers(folder: string): void {
  for (const name of namesIn(folder)) if (name.endsWith(TEMPORARY)) removeFileIfExists(`${folder}/${name}`);
}

/** The folder of a network's records. */
export function recordsFolder(runFolder: string, network: string): string {
  return `${runFolder}/attachments/${network}`;
}

/** The records of one network, or without one of all. Throws FileError. */
export function listRecords(runFolder: string, warn: (sentence: string) => void, network?: string): AttachmentRecord[] {
  const top = `${runFolder}/attachments`;
  const networks = network === undefined ? namesIn(top) : [network];
  return networks
    .flatMap((name) => namesIn(`${top}/${name}`).map((file) => `${top}/${name}/${file}`))
    .filter((path) => path.endsWith(".json"))
    .map((path) => readRecordFile(path, warn))
    .filter((record) => record !== undefined);
}

/** The records of one container, of all networks. Throws FileError. */
export function recordsOfContainer(
  runFolder: string,
  containerId: string,
  warn: (sentence: string) => void,
): AttachmentRecord[] {
  const top = `${runFolder}/attachments`;
  const records: AttachmentRecord[] = [];
  for (const network of namesIn(top)) {
    for (const file of namesIn(`${top}/${network}`, `${containerId}@`)) {
      const record = file.endsWith(".json") ? readRecordFile(`${top}/${network}/${file}`, warn) : undefined;
      if (record !== undefined) records.push(record);
    }
  }
  return records;
}

/** A record that does not parse is set aside with a message, and the rest goes on. */
function readRecordFile(path: string, warn: (sentence: string) => void): AttachmentRecord | undefined {
  const text = readTextIfExists(path);
  if (text === undefined) return undefined;
  const record = parseRecord(text);
  if (record !== undefined) return record;
  setAside("attachment record", path, warn);
  return undefined;
}

/** Renames a file that cannot be read, so that it is in nobody's way and not lost either. Throws SystemCallError. */
export function setAside(what: string, path: string, warn: (sentence: string) => void): void {
  const aside = `${path}.unreadable`;
  renameFile(path, aside);
  warn(`The ${what} "${path}" cannot be read and was set aside as "${aside}"`);
}

function parseRecord(text: string): AttachmentRecord | undefined {
  try {
    const record = JSON.parse(text) as Partial<AttachmentRecord> | null;
    return record?.version === VERSION && Array.isArray(record.resources) ? (record as AttachmentRecord) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** None of the parts may contain `@` but the last, so no two attachments share a name. */
function recordPath(runFolder: string, { key, plugin, instance }: RecordId): string {
  const place = instance === undefined ? plugin : `${plugin}.${instance}`;
  const name = `${key.containerId}@${place}@${key.ifname}`;
  // A file name has 255 bytes at most, of which the temporary one needs some more.
  const file = name.length <= 200 ? name : `${name.slice(0, 180)}@${formatHash(hash64(name))}`;
  return `${recordsFolder(runFolder, key.network)}/${file}.json`;
}
