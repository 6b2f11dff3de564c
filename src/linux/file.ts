/** Files as state needs them: whole or not at all, and locked while several processes change them. */

import {
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { FileError } from "../core/errors.ts";
import { flock, LOCK_EX, LOCK_NB, LOCK_SH } from "./libc.ts";

/** The errno's name of an error that a file function threw, such as `ENOENT`; undefined for other errors. */
export function fileErrorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Wraps what a file function threw: `Cannot read "/run/x": EACCES`. */
export function fileError(action: string, path: string, cause: unknown): FileError {
  return new FileError(`Cannot ${action} "${path}": ${fileErrorCode(cause) ?? String(cause)}`, { cause });
}

/** The text of a file, or undefined when it, or a folder on its path, is not there. Throws FileError. */
export function readTextIfExists(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = fileErrorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw fileError("read", path, error);
  }
}

export interface WriteOptions {
  /** Permission bits of a new file; 0600 unless given. */
  mode?: number;
  /** Wait until the disk has it: for what must survive a power cut. */
  sync?: boolean;
}

/**
 * Writes a file so that a reader, or a crash, sees the old content or the new, never a part: a temporary name in the
 * same folder, then rename(2). Makes the folder where it is missing. Throws FileError.
 */
export function writeFileAtomic(path: string, content: string, options: WriteOptions = {}): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const fd = openCreating(temporary, options.mode ?? 0o600);
    try {
      // Not writeSync, which may write a part only and says so by its result.
      writeFileSync(fd, content);
      if (options.sync) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    if (options.sync) syncFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw fileError("write", path, error);
  }
}

/** Waits until the disk knows the names in a folder; without it a power cut may bring the old file back. @see fsync(2) */
function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Opens a file for writing from its start; makes the folder only when it turns out to be missing. */
function openCreating(path: string, mode: number): number {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
  try {
    return openSync(path, flags, mode);
  } catch (error) {
    if (fileErrorCode(error) !== "ENOENT") throw error;
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    return openSync(path, flags, mode);
  }
}

/** Removes a file; false when it was not there. Throws FileError. */
export function removeFileIfExists(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    const code = fileErrorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw fileError("remove", path, error);
  }
}

/** Runs `work` while holding a lock on a file, which is made where missing; others wait. Throws FileError. */
export function withLock<T>(path: string, mode: "shared" | "exclusive", work: () => T): T {
  const fd = openLockFile(path);
  try {
    flock(fd, mode === "shared" ? LOCK_SH : LOCK_EX);
    return work();
  } finally {
    // Closing the descriptor gives the lock back, as does the end of the process.
    closeSync(fd);
  }
}

/** Runs `work` while holding an exclusive lock, or returns undefined at once when somebody else holds it. */
export function tryWithLock<T>(path: string, work: () => T): T | undefined {
  const fd = openLockFile(path);
  try {
    return flock(fd, LOCK_EX | LOCK_NB) ? work() : undefined;
  } finally {
    closeSync(fd);
  }
}

/** Opens a file to lock, made where missing; closing it gives the lock back. Throws FileError. */
export function openLockFile(path: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT;
  try {
    try {
      return openSync(path, flags, 0o600);
    } catch (error) {
      if (fileErrorCode(error) !== "ENOENT") throw error;
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      return openSync(path, flags, 0o600);
    }
  } catch (error) {
    throw fileError("open lock", path, error);
  }
}
