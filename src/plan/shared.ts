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
import { type Machine, remove } from "./engine.ts";
import { listRecords } from "./record.ts";

/** Later ones stand on earlier ones, so they go first. */
const ORDER: readonly ResourceKindName[] = [
  "link",
  "link-settings",
  "port-vlans",
  "sysctl",
  "address",
  "nft-table",
  "nft-chain",
];

/** Runs `work` while nobody removes shared resources. */
export function whileSharing<T>(runFolder: string, work: () => T): T {
  return withLock(lockPath(runFolder), "shared", work);
}

/** Runs `work` while nobody shares, or not at all when somebody does. */
export function unlessSharing(runFolder: string, work: () => void): void {
  tryWithLock(lockPath(runFolder), work);
}

function lockPath(runFolder: string): string {
  return `${runFolder}/shared.lock`;
}

/** Takes note of the shared ones among a plan's resources, before they are made. Throws FileError. */
export function noteShared(runFolder: string, network: string, resources: readonly Resource[]): void {
  const shared: Resource[] = [];
  let keys = "";
  for (const resource of resources) {
    if (!resource.shared) continue;
    shared.push(resource);
    keys += `${sharedKey(resource)}\n`;
  }
  if (shared.length === 0) return;
  // All pods of a network share the same, so the note is nearly always there.
  const path = `${notesFolder(runFolder, network)}/${formatHash(hash64(keys))}.json`;
  if (!exists(path)) writeFileAtomic(path, JSON.stringify(shared));
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

/** Removes the shared resources of a network that no record names, and returns what went wrong. Throws FileError. */
export function sweepShared(
  runFolder: string,
  network: string,
  machine: Machine,
  warn: (sentence: string) => void,
): unknown[] {
  const folder = notesFolder(runFolder, network);
  const errors: unknown[] = [];
  unlessSharing(runFolder, () => {
    const inUse = keysInUse(runFolder, warn);
    const unused = new Map<string, Resource>();
    const notes = namesIn(folder);
    for (const note of notes) {
      const resources = JSON.parse(readTextIfExists(`${folder}/${note}`) ?? "[]") as Resource[];
      for (const resource of resources) {
        const key = sharedKey(resource);
        if (!inUse.has(key)) unused.set(key, resource);
      }
    }
    const doomed = [...unused.values()].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
    errors.push(...remove(doomed, machine));
    const isIdle = !listRecords(runFolder, warn, network).length;
    if (errors.length === 0 && isIdle) for (const note of notes) removeFileIfExists(`${folder}/${note}`);
  });
  return errors;
}

function notesFolder(runFolder: string, network: string): string {
  return `${runFolder}/shared/${network}`;
}
