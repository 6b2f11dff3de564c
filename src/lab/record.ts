/**
 * A lab's record: what it was made from, written before the first change, so that every later command, and `down` after
 * a crash, knows the lab without the file that described it.
 */

import { closeSync, fstatSync, rmdirSync, rmSync, statSync } from "node:fs";
import { TendrilError } from "../core/errors.ts";
import { fileErrorCode, namesIn, openLockFile, readTextIfExists, writeFileAtomic } from "../linux/file.ts";
import { flock, LOCK_EX } from "../linux/libc.ts";
import { listNamedNetns } from "../linux/netns.ts";
import type { Lab } from "./lab.ts";
import { LABS_FOLDER, labFolder, namePrefix } from "./names.ts";

const VERSION = 2;

export interface LabRecord {
  readonly version: typeof VERSION;
  /** Pending from before the first change to after the last. */
  readonly state: "pending" | "complete";
  readonly lab: Lab;
  /** The folder of the CNI plugins by which pods are attached. */
  readonly plugins: string;
  /** The command that is this program: by it the nodes' agents are started. */
  readonly program: readonly string[];
}

export function newRecord(lab: Lab, { plugins, program }: Pick<LabRecord, "plugins" | "program">): LabRecord {
  return { version: VERSION, state: "pending", lab, plugins, program };
}

/** Throws FileError. */
export function writeRecord(record: LabRecord): void {
  writeFileAtomic(recordPath(record.lab.name), `${JSON.stringify(record, undefined, 2)}\n`);
}

/** The record of a lab; undefined when there is none, or none that can be read. Throws FileError. */
export function readRecord(lab: string): LabRecord | undefined {
  const source = readTextIfExists(recordPath(lab));
  if (source === undefined) return undefined;
  try {
    const record = JSON.parse(source) as Partial<LabRecord> | null;
    return record?.version === VERSION ? (record as LabRecord) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The record of a lab that is up as a whole. Throws TendrilError, which says what to do, when it is not. */
export function requireRecord(lab: string): LabRecord {
  const record = readRecord(lab);
  if (record?.state === "complete") return record;
  if (record === undefined && !traces(lab)) {
    throw new TendrilError(`There is no lab "${lab}"`, { details: "`tendril lab up` makes one." });
  }
  throw halfFinished(lab);
}

export function halfFinished(lab: string): TendrilError {
  return new TendrilError(`Lab "${lab}" is not whole: an "up" or "down" was interrupted`, {
    details: `\`tendril lab down --lab ${lab}\` removes what there is of it.`,
  });
}

/** Whether there is anything of a lab: its folder or a namespace with its name. */
export function traces(lab: string): boolean {
  return listLabs().includes(lab);
}

/** The names of all labs of which there is anything. */
export function listLabs(): string[] {
  const fromNames = listNamedNetns().flatMap((name) => /^tendril-([a-z][a-z0-9]*)-/.exec(name)?.[1] ?? []);
  return [...new Set([...namesIn(LABS_FOLDER), ...fromNames])].sort();
}

/** The names of a lab's network namespaces that there are. */
export function netnsNamesOf(lab: string): string[] {
  return listNamedNetns().filter((name) => name.startsWith(namePrefix(lab)));
}

/** Removes the state of a lab, its lock included, and the folder of labs after the last one. */
export function removeLabFolder(lab: string): void {
  rmSync(labFolder(lab), { recursive: true, force: true });
  try {
    rmdirSync(LABS_FOLDER);
  } catch (error) {
    if (!["ENOTEMPTY", "ENOENT"].includes(fileErrorCode(error) ?? "")) throw error;
  }
}

/** Waits until no other command works on a lab. Returns how to let the next one in. Throws FileError. */
export function lockLab(lab: string): () => void {
  const path = `${labFolder(lab)}/lock`;
  for (;;) {
    const fd = openLockFile(path);
    flock(fd, LOCK_EX);
    // Who held it before may have removed the folder, and with it the file that we have waited for.
    if (isSameFile(fd, path)) return () => closeSync(fd);
    closeSync(fd);
  }
}

function isSameFile(fd: number, path: string): boolean {
  try {
    return fstatSync(fd).ino === statSync(path).ino;
  } catch (error) {
    if (fileErrorCode(error) === "ENOENT") return false;
    throw error;
  }
}

function recordPath(lab: string): string {
  return `${labFolder(lab)}/lab.json`;
}
