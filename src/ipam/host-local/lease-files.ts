/**
 * The files of a network's folder. All of it happens under the folder's lock.
 *
 * Nothing here is synced to the disk: a lease lives as long as its container, which ends with the boot, and leases of
 * another boot are released anyway. A rename still makes each file whole or absent for whoever looks, a killed process
 * included.
 */

import { fileError, fileErrorCode, removeFileIfExists } from "../../linux/file.ts";
import {
  closeFile,
  type FileStatus,
  listFolder,
  O_CREAT,
  O_TRUNC,
  O_WRONLY,
  openFile,
  readText,
  readTextIfThere,
  renameFile,
  statIfThere,
  writeText,
} from "../../linux/libc-file.ts";

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
    return listFolder(directory);
  } catch (error) {
    throw fileError("list", directory, error);
  }
}

const ADDRESS_LIKE = /^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f:.]*:[0-9a-f:.]*)$/i;

/**
 * The names in the folder that look like addresses. To parse them all would double the cost of reading the leases, so
 * whoever removes one for what its content or age says parses that one first. Throws FileError.
 */
export function leaseNames(directory: string): string[] {
  return allNames(directory).filter((name) => ADDRESS_LIKE.test(name));
}

/** The content of a lease; undefined when there is none, and when a folder has its name. Throws FileError. */
export function readLease(directory: string, address: string): string | undefined {
  const path = `${directory}/${address}`;
  try {
    return readText(path).trim();
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
export function statLease(directory: string, address: string): FileStatus | undefined {
  const path = `${directory}/${address}`;
  try {
    return statIfThere(path);
  } catch (error) {
    throw fileError("look at lease", path, error);
  }
}

/** Writes a file whole or not at all. Throws FileError. */
export function writeWhole(directory: string, name: string, content: string): void {
  const temporary = `${directory}/${TEMPORARY}`;
  try {
    writeInPlace(temporary, content);
    renameFile(temporary, `${directory}/${name}`);
  } catch (error) {
    throw fileError("write", `${directory}/${name}`, error);
  }
}

function writeInPlace(path: string, content: string): void {
  const fd = openFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600);
  try {
    writeText(fd, content);
  } finally {
    closeFile(fd);
  }
}

/** Removes a lease; false when it was not there. Throws FileError. */
export function removeLease(directory: string, address: string): boolean {
  return removeFileIfExists(`${directory}/${address}`);
}

/** Removes what a writer left that was killed before its rename. Throws FileError. */
export function removeTemporary(directory: string): void {
  removeFileIfExists(`${directory}/${TEMPORARY}`);
}

/**
 * The address that was leased last for a range set, as text; undefined when there is none.
 * It is a hint for round robin and no state: it is written in place, and whatever it says, no address is leased twice.
 */
export function readLastReserved(directory: string, setIndex: number): string | undefined {
  const path = lastReservedPath(directory, setIndex);
  try {
    return readTextIfThere(path)?.trim();
  } catch (error) {
    throw fileError("read", path, error);
  }
}

/** Throws FileError. */
export function writeLastReserved(directory: string, setIndex: number, address: string): void {
  const path = lastReservedPath(directory, setIndex);
  try {
    writeInPlace(path, address);
  } catch (error) {
    throw fileError("write", path, error);
  }
}

function lastReservedPath(directory: string, setIndex: number): string {
  return `${directory}/last_reserved_ip.${setIndex}`;
}
