/**
 * Resources that attachments share: a bridge and its address, our nf_tables table.
 *
 * Each network keeps a note of every shared resource that its plans named. A resource may go when no record names it
 * any more. ADD holds a lock with others from the time that its record is written until its plan is applied; who
 * removes holds it alone, so nothing is taken away that an ADD has just found in its place.
 */

import { existsSync } from "node:fs";
import { formatHash, hash64 } from "../core/names.ts";
import type { Resource, ResourceKindName } from "../core/plan.ts";
import { readTextIfExists, removeFileIfExists, tryWithLock, withLock, writeFileAtomic } from "../linux/file.ts";
import { type Machine, remove } from "./engine.ts";
import { listRecords, namesIn } from "./record.ts";

/** Later ones stand on earlier ones, so they go first. */
const ORDER: readonly ResourceKindName[] = ["link", "link-settings", "sysctl", "address", "nft-table", "nft-chain"];

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
  for (const resource of resources) {
    if (!resource.shared) continue;
    const text = JSON.stringify(resource);
    const path = `${notesFolder(runFolder, network)}/${noteName(text)}`;
    if (!existsSync(path)) writeFileAtomic(path, text);
  }
}

/** Whether a record of any network names the resource. Throws FileError. */
export function sharedInUse(runFolder: string, warn: (sentence: string) => void): (text: string) => boolean {
  const used = new Set<string>();
  for (const record of listRecords(runFolder, warn)) {
    for (const resource of record.resources) if (resource.shared) used.add(noteName(JSON.stringify(resource)));
  }
  return (text) => used.has(noteName(text));
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
    const inUse = sharedInUse(runFolder, warn);
    const unused = namesIn(folder).flatMap((name) => {
      const text = readTextIfExists(`${folder}/${name}`);
      return text === undefined || inUse(text) ? [] : [{ name, resource: JSON.parse(text) as Resource }];
    });
    unused.sort((a, b) => ORDER.indexOf(a.resource.kind) - ORDER.indexOf(b.resource.kind));
    errors.push(
      ...remove(
        unused.map(({ resource }) => resource),
        machine,
      ),
    );
    if (errors.length === 0) for (const { name } of unused) removeFileIfExists(`${folder}/${name}`);
  });
  return errors;
}

function notesFolder(runFolder: string, network: string): string {
  return `${runFolder}/shared/${network}`;
}

function noteName(text: string): string {
  return `${formatHash(hash64(text))}.json`;
}
