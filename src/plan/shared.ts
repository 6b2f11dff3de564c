/**
 * Resources that attachments share: a bridge and its address, our nf_tables table.
 *
 * Each network keeps a note of every shared resource that its plans named. A resource may go when no record names it
 * any more. ADD holds a lock with others from the time that its record is written until its plan is applied; who
 * removes holds it alone, so nothing is taken away that an ADD has just found in its place.
 */

import { formatHash, hash64 } from "../core/names.ts";
import type { Resource, ResourceKindName } from "../core/plan.ts";
import {
  namesIn,
  readTextIfExists,
  removeFileIfExists,
  tryWithLock,
  withLock,
  writeFileAtomic,
} from "../linux/file.ts";
import { exists } from "../linux/libc-file.ts";
import { missedTableMark } from "../resources/kernel.ts";
import { type Machine, remove, rollBack } from "./engine.ts";
import { listRecords, recordsFolder, removeLeftovers, setAside } from "./record.ts";

/** Later ones stand on earlier ones, so they go first. */
const ORDER: readonly ResourceKindName[] = [
  "link",
  "link-settings",
  "port-vlans",
  "sysctl",
  "address",
  "nft-table",
  "nft-admin-chain",
  "nft-chain",
  "nft-rule",
  "nft-element",
  "nft-iptables",
];

/** Runs `work` while nobody removes shared resources. */
export function whileSharing<T>(runFolder: string, work: () => T): T {
  return withLock(lockPath(runFolder), "shared", work);
}

/** Runs `work` while nobody shares, or not at all when somebody does. */
function unlessSharing(runFolder: string, work: () => void): void {
  tryWithLock(lockPath(runFolder), work);
}

function lockPath(runFolder: string): string {
  return `${runFolder}/shared.lock`;
}

/**
 * Takes note of the shared ones among a plan's resources, before they are made. Returns the path of the note when there
 * was none before. Throws FileError.
 */
export function noteShared(runFolder: string, network: string, resources: readonly Resource[]): string | undefined {
  const shared: Resource[] = [];
  let keys = "";
  for (const resource of resources) {
    if (!resource.shared) continue;
    shared.push(resource);
    keys += `${sharedKey(resource)}\n`;
  }
  if (shared.length === 0) return undefined;
  // All pods of a network share the same, so the note is nearly always there.
  const path = `${notesFolder(runFolder, network)}/${formatHash(hash64(keys))}.json`;
  if (exists(path)) return undefined;
  writeFileAtomic(path, JSON.stringify(shared), { contended: true });
  return path;
}

/** What a resource is, whatever its settings: two with the same key are one thing in the kernel. */
function sharedKey(resource: Resource): string {
  switch (resource.kind) {
    case "link":
    case "sysctl":
      return `${resource.kind} ${resource.name}`;
    case "link-settings":
    case "port-vlans":
      return `${resource.kind} ${resource.link}`;
    case "address":
      return `${resource.kind} ${resource.link} ${resource.address}`;
    case "nft-table": {
      const { table, chains } = resource;
      return `${resource.kind} ${table.family} ${table.name} ${chains.map(({ chain }) => chain.name).join(" ")}`;
    }
    case "nft-chain":
      return `${resource.kind} ${resource.chain.family} ${resource.chain.table} ${resource.chain.name}`;
    default:
      return JSON.stringify(resource);
  }
}

/** The keys of what the records of any network name. Throws FileError. */
function keysInUse(runFolder: string, warn: (sentence: string) => void): Set<string> {
  const used = new Set<string>();
  for (const record of listRecords(runFolder, warn)) {
    for (const resource of record.resources) if (resource.shared) used.add(sharedKey(resource));
  }
  return used;
}

/** How to take back a shared resource that was just made. */
export interface SharedUndo {
  readonly resource: Resource;
  readonly step: () => void;
}

/**
 * Takes back what a failed ADD made of shared things, and its note, but what a record of others names by now. Returns
 * what went wrong. Throws FileError.
 */
export function takeBackShared(
  runFolder: string,
  network: string,
  { undo, note }: { readonly undo: readonly SharedUndo[]; readonly note: string | undefined },
  { step, warn }: { readonly step?: (() => void) | undefined; readonly warn: (sentence: string) => void },
): unknown[] {
  let errors: unknown[] = [];
  unlessSharing(runFolder, () => {
    const inUse = keysInUse(runFolder, warn);
    if (inUse.size === 0) removeFileIfExists(missedTableMark(runFolder));
    const steps = undo.filter(({ resource }) => !inUse.has(sharedKey(resource))).map((one) => one.step);
    errors = rollBack(steps, step);
    if (note !== undefined && (isUnused(readNote(note, warn), inUse) || isIdle(runFolder, network, warn))) {
      removeFileIfExists(note);
    }
  });
  return errors;
}

/**
 * Removes the shared resources of a network that no record names, and what killed processes have left in the folders.
 * Of other networks, what no record names goes too where it is part of our tables: chains of theirs may stand on a part
 * that nobody uses any more. Returns what went wrong. Throws FileError.
 */
export function sweepShared(
  runFolder: string,
  network: string,
  machine: Machine,
  warn: (sentence: string) => void,
): unknown[] {
  const folder = notesFolder(runFolder, network);
  const errors: unknown[] = [];
  unlessSharing(runFolder, () => {
    removeLeftovers(recordsFolder(runFolder, network));
    removeLeftovers(folder);
    const inUse = keysInUse(runFolder, warn);
    const unused = new Map<string, Resource>();
    const notes = notesIn(folder);
    const done: string[] = [];
    for (const note of notes) {
      const resources = readNote(`${folder}/${note}`, warn);
      if (isUnused(resources, inUse)) done.push(note);
      for (const resource of resources) {
        const key = sharedKey(resource);
        if (!inUse.has(key)) unused.set(key, resource);
      }
    }
    for (const other of namesIn(`${runFolder}/shared`)) {
      for (const resource of other === network ? [] : notedBy(runFolder, other, warn)) {
        const key = sharedKey(resource);
        if (resource.kind.startsWith("nft-") && !inUse.has(key)) unused.set(key, resource);
      }
    }
    const doomed = [...unused.values()].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
    errors.push(...remove(doomed, machine));
    if (errors.length > 0) return;
    const needless = isIdle(runFolder, network, warn) ? notes : done;
    for (const note of needless) removeFileIfExists(`${folder}/${note}`);
  });
  return errors;
}

/** What the notes of a network name. */
function notedBy(runFolder: string, network: string, warn: (sentence: string) => void): Resource[] {
  const folder = notesFolder(runFolder, network);
  return notesIn(folder).flatMap((note) => readNote(`${folder}/${note}`, warn));
}

/** Whether no record of any network names any of the resources. */
function isUnused(resources: readonly Resource[], inUse: ReadonlySet<string>): boolean {
  return resources.every((resource) => !inUse.has(sharedKey(resource)));
}

/** Whether a network has no attachment on record; what of its resources others use, their notes name. Throws FileError. */
function isIdle(runFolder: string, network: string, warn: (sentence: string) => void): boolean {
  return listRecords(runFolder, warn, network).length === 0;
}

/** The resources of a note; one that does not parse is set aside with a message, and the rest goes on. */
function readNote(path: string, warn: (sentence: string) => void): readonly Resource[] {
  const text = readTextIfExists(path);
  if (text === undefined) return [];
  const resources = parseNote(text);
  if (resources === undefined) setAside("note about shared resources", path, warn);
  return resources ?? [];
}

function parseNote(text: string): readonly Resource[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? (value as Resource[]) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function notesIn(folder: string): string[] {
  return namesIn(folder).filter((name) => name.endsWith(".json"));
}

function notesFolder(runFolder: string, network: string): string {
  return `${runFolder}/shared/${network}`;
}
