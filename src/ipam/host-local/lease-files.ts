/**
 * The files of a network's folder. All of it happens under the folder's lock.
 *
 * Nothing here is synced to the disk: a lease lives as long as its container, which ends with the boot, and leases of
 * another boot are released anyway. A rename still makes each file whole or absent for whoever looks, a killed process
 * included.
 */

import { lstatSync, readdirSync, readFileSync, renameSync, type Stats, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseIp } from "../../core/ip.ts";
import { fileError, fileErrorCode, removeFileIfExists } from "../../linux/file.ts";

/** One name serves all writers, for the lock admits one at a time; what a killed one left is written over. */
const TEMPORARY = ".tendril.tmp";

export interface LeaseFile {
  /** The leased address, which is the file's name. */
  readonly address: string;
  /** Without the white space around it. */
  readonly content: string;
}

/** All names in the folder. Throws FileError. */
export function allNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    throw fileError("list", directory, error);
  }
}

/** The names in the folder that are addresses. Throws FileError. */
export function leaseNames(directory: string): string[] {
  return allNames(directory).filter((name) => /^[0-9a-f:.]+$/i.test(name) && parseIp(name) !== undefined);
}

/** The content of a lease; undefined when there is none, and when a folder has its name. Throws FileError. */
export function readLease(directory: string, address: string): string | undefined {
  const path = join(directory, address);
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    const code = fileErrorCode(error);
    if (code === "ENOENT" || code === "EISDIR") return undefined;
    throw fileError("read lease", path, error);
  }
}

/** Every lease of the folder: costs about 4 µs each. Throws FileError. */
export function readLeases(directory: string): LeaseFile[] {
  const leases: LeaseFile[] = [];
  for (const address of leaseNames(directory)) {
    const content = readLease(directory, address);
    if (content !== undefined) leases.push({ address, content });
  }
  return leases;
}

/** What the file system knows of a lease; undefined when there is none. Throws FileError. */
export function statLease(directory: string, address: string): Stats | undefined {
  const path = join(directory, address);
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw fileError("look at lease", path, error);
  }
}

/** Writes a file whole or not at all. Throws FileError. */
export function writeWhole(directory: string, name: string, content: string): void {
  const temporary = join(directory, TEMPORARY);
  try {
    writeFileSync(temporary, content, { mode: 0o600 });
    renameSync(temporary, join(directory, name));
  } catch (error) {
    throw fileError("write", join(directory, name), error);
  }
}

/** Removes a lease; false when it was not there. Throws FileError. */
export function removeLease(directory: string, address: string): boolean {
  return removeFileIfExists(join(directory, address));
}

/** Removes what a writer left that was killed before its rename. Throws FileError. */
export function removeTemporary(directory: string): void {
  removeFileIfExists(join(directory, TEMPORARY));
}

/**
 * The address that was leased last for a range set, as text; undefined when there is none.
 * It is a hint for round robin and no state: it is written in place, and whatever it says, no address is leased twice.
 */
export function readLastReserved(directory: string, setIndex: number): string | undefined {
  const path = lastReservedPath(directory, setIndex);
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (fileErrorCode(error) === "ENOENT") return undefined;
    throw fileError("read", path, error);
  }
}

/** Throws FileError. */
export function writeLastReserved(directory: string, setIndex: number, address: string): void {
  const path = lastReservedPath(directory, setIndex);
  try {
    writeFileSync(path, address, { mode: 0o600 });
  } catch (error) {
    throw fileError("write", path, error);
  }
}

function lastReservedPath(directory: string, setIndex: number): string {
  return join(directory, `last_reserved_ip.${setIndex}`);
}
