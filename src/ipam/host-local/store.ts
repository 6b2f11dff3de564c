/** A network's folder while its lock is held: whose leases are where, which addresses are free, taking and releasing. */

import { FileError } from "../../core/errors.ts";
import { fileError, isMissing, withLock } from "../../linux/file.ts";
import { type FileStatus, statFile } from "../../linux/libc-file.ts";
import type { Choice } from "./allocator.ts";
import { type Machine, releaseFormerBoot } from "./boot.ts";
import { leaseContent, legacyContent } from "./lease.ts";
import {
  allNames,
  leaseNames,
  readLastReserved,
  readLease,
  readLeases,
  removeLease,
  removeTemporary,
  statLease,
  writeLastReserved,
  writeWhole,
} from "./lease-files.ts";
import { findLeases, noteLease, type OwnerIndex, openOwnerIndex, sealOwnerIndex } from "./owner-index.ts";

/** So many addresses are tried one by one before the folder is listed, which costs as much as 200 tries at 1,000 leases. */
const TRIES = 16;

export interface Store {
  readonly directory: string;
  warn(sentence: string): void;
  /** Addresses whose lease file was found empty. */
  readonly empty: Set<string>;
  readonly index: () => OwnerIndex;
  tries: number;
  /** All names, once the folder has been listed. */
  names: ReadonlySet<string> | undefined;
}

/**
 * Runs `work` while holding the lock of a network's folder, which is made where missing. The lock is flock(2) on the
 * file `lock`, the reference plugin's, so both may use the folder at once. Throws FileError.
 */
export function withStore<T>(
  directory: string,
  machine: Machine,
  warn: (sentence: string) => void,
  work: (store: Store) => T,
): T {
  return withLock(`${directory}/lock`, "exclusive", () => {
    const bootId = releaseFormerBoot(directory, machine, warn);
    let index: OwnerIndex | undefined;
    const open = () => {
      index ??= openOwnerIndex(directory, bootId, machine.now());
      return index;
    };
    try {
      return work({ directory, warn, empty: new Set(), index: open, tries: 0, names: undefined });
    } finally {
      if (index !== undefined) sealOwnerIndex(directory, index);
    }
  });
}

/** The folder as it is at this moment, without its lock, for who changes nothing. Throws FileError. */
export function peekStore(directory: string, warn: (sentence: string) => void): Store {
  const names = new Set(hasStore(directory) ? allNames(directory) : []);
  const noIndex = () => {
    throw new TypeError("A folder that is only looked at has no index");
  };
  return { directory, warn, empty: new Set(), index: noIndex, tries: 0, names };
}

/** Whether a network has a folder. Throws FileError when that cannot be told. */
export function hasStore(directory: string): boolean {
  try {
    statFile(directory);
    return true;
  } catch (error) {
    // ENOTDIR: a file where dataDir should be, so no lease has ever been written below it.
    if (isMissing(error)) return false;
    throw fileError("look at", directory, error);
  }
}

/**
 * The addresses that an attachment holds: by leases that name it, else by legacy leases of its container.
 *
 * `certain` reads all leases before it says that there are none; ADD, for which none is the usual answer, does without.
 */
export function addressesOf(
  store: Store,
  containerId: string,
  ifname: string,
  { certain }: { certain: boolean },
): string[] {
  const contents = [leaseContent(containerId, ifname), legacyContent(containerId)];
  const index = store.index();
  for (const content of contents) {
    const found = findLeases(store.directory, index, content);
    if (found.length > 0) return found;
  }
  if (!certain || index.fresh) return [];
  const leases = readLeases(store.directory);
  for (const content of contents) {
    const found = leases.filter((lease) => lease.content === content).map(({ address }) => address);
    if (found.length > 0) return found;
  }
  return [];
}

/**
 * Whether an address can be leased.
 *
 * An empty lease file is nobody's: we write leases whole, and the reference plugin creates and fills one under the
 * lock that we hold, so its process was killed in between, before it could give the address to anyone. Such an
 * address is free, and taking it replaces the file at once. Throws FileError when a folder has the address's name.
 */
export function isFree(store: Store, address: string): boolean {
  if (store.names === undefined && ++store.tries > TRIES) store.names = new Set(allNames(store.directory));
  if (store.names !== undefined) return !store.names.has(address);
  const stats = statLease(store.directory, address);
  if (stats === undefined) return true;
  if (stats.kind === "folder") {
    throw new FileError(`Cannot lease ${address}: "${`${store.directory}/${address}`}" is a folder`, {
      details: "Only lease files carry the name of an address there. Remove the folder.",
    });
  }
  if (isEmptyLease(stats)) store.empty.add(address);
  return store.empty.has(address);
}

function isEmptyLease(stats: FileStatus | undefined): boolean {
  return stats?.kind === "file" && stats.size === 0;
}

/** The addresses whose lease file is empty, for when no other is left: costs about 2 µs for each lease. */
export function emptyLeases(store: Store): ReadonlySet<string> {
  for (const address of leaseNames(store.directory)) {
    if (isEmptyLease(statLease(store.directory, address))) store.empty.add(address);
  }
  return store.empty;
}

/** Who holds an address: the content of its lease. */
export function holderOf(store: Store, address: string): string | undefined {
  return readLease(store.directory, address);
}

/** The address leased last for a range set. */
export function lastReserved(store: Store, setIndex: number): string | undefined {
  return readLastReserved(store.directory, setIndex);
}

/** Writes the leases of one attachment, one for each range set in turn, all or none of them. Throws FileError. */
export function take(store: Store, content: string, choices: readonly Choice[]): void {
  const { directory } = store;
  const written: string[] = [];
  try {
    for (const { address } of choices) {
      if (store.empty.has(address)) {
        store.warn(`Replaced the empty lease file "${`${directory}/${address}`}", which a killed ADD had left`);
      }
      noteLease(directory, store.index(), address, content);
      writeWhole(directory, address, content);
      written.push(address);
      writeLastReserved(directory, written.length - 1, address);
    }
  } catch (error) {
    for (const address of written.reverse()) {
      try {
        removeLease(directory, address);
      } catch {
        // The first error tells more; DEL, which follows a failed ADD, tries again.
      }
    }
    throw error;
  }
}

/** Releases an address. Throws FileError. */
export function release(store: Store, address: string): void {
  removeLease(store.directory, address);
}

/** Removes what a killed writer left. Throws FileError. */
export function removeLeftOvers(store: Store): void {
  removeTemporary(store.directory);
}
