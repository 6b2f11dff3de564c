/** Files as state needs them: whole or not at all, and locked while several processes change them. */

import { FileError } from "../core/errors.ts";
import { flock, LOCK_EX, LOCK_NB, LOCK_SH } from "./libc.ts";
import {
  closeFile,
  listFolder,
  makeFolder,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  openFile,
  readTextIfThere,
  renameFile,
  syncFile,
  unlinkIfThere,
  writeText,
} from "./libc-file.ts";

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
    return readTextIfThere(path);
  } catch (error) {
    throw fileError("read", path, error);
  }
}

/** Whether a file function failed because the file, or a folder on its path, is not there. */
export function isMissing(error: unknown): boolean {
  const code = fileErrorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** The names in a folder, those that begin in this way, sorted; none when it is not there. Throws FileError. */
export function namesIn(folder: string, beginning = ""): string[] {
  try {
    return listFolder(folder, beginning).sort();
  } catch (error) {
    if (fileErrorCode(error) === "ENOENT") return [];
    throw fileError("list", folder, error);
  }
}

/** How the name of a file ends that is being written; one that stays belonged to a process that was killed. */
export const TEMPORARY = ".tmp";

export interface WriteOptions {
  /** Permission bits of a new file; 0600 unless given. */
  mode?: number;
  /** Wait until the disk has it: for what must survive a power cut. */
  sync?: boolean;
  /** Several processes may write this file at the same time, so each needs a temporary name of its own. */
  contended?: boolean;
}

/**
 * Writes a file so that a reader, or a crash, sees the old content or the new, never a part: a temporary name in the
 * same folder, then rename(2). Makes the folder where it is missing. Throws FileError.
 */
export function writeFileAtomic(path: string, content: string, options: WriteOptions = {}): void {
  const temporary = options.contended ? `${path}.${process.pid}${TEMPORARY}` : `${path}${TEMPORARY}`;
  try {
    const fd = openCreating(temporary, O_WRONLY | O_CREAT | O_TRUNC, options.mode ?? 0o600);
    try {
      writeText(fd, content);
      if (options.sync) syncFile(fd);
    } finally {
      closeFile(fd);
    }
    renameFile(temporary, path);
    if (options.sync) syncFolder(folderOf(path));
  } catch (error) {
    removeLeftover(temporary);
    throw fileError("write", path, error);
  }
}

/** Makes an empty file unless there is a file of this name. Throws FileError. */
export function touchFile(path: string): void {
  try {
    closeFile(openCreating(path, O_WRONLY | O_CREAT, 0o600));
  } catch (error) {
    throw fileError("make", path, error);
  }
}

/** Waits until the disk knows the names in a folder; without it a power cut may bring the old file back. @see fsync(2) */
function syncFolder(path: string): void {
  const fd = openFile(path, O_RDONLY);
  try {
    syncFile(fd);
  } finally {
    closeFile(fd);
  }
}

/** After a failure that is about to be told; a second one adds nothing to it. */
function removeLeftover(path: string): void {
  try {
    unlinkIfThere(path);
  } catch {}
}

/** Opens a file, and makes its folder only when that turns out to be missing. */
function openCreating(path: string, flags: number, mode: number): number {
  try {
    return openFile(path, flags, mode);
  } catch (error) {
    if (fileErrorCode(error) !== "ENOENT") throw error;
    ensureFolder(folderOf(path));
    return openFile(path, flags, mode);
  }
}

/** The folder that a path's last name is in. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  if (slash < 0) return ".";
  return slash === 0 ? "/" : path.slice(0, slash);
}

/** Makes a folder and those above it where they are missing. Throws SystemCallError. */
export function ensureFolder(path: string): void {
  try {
    makeFolderUnlessThere(path);
  } catch (error) {
    if (fileErrorCode(error) !== "ENOENT" || folderOf(path) === path) throw error;
    ensureFolder(folderOf(path));
    // Once more only: below /proc it is ENOENT although the folder above is there.
    makeFolderUnlessThere(path);
  }
}

function makeFolderUnlessThere(path: string): void {
  try {
    makeFolder(path, 0o755);
  } catch (error) {
    if (fileErrorCode(error) !== "EEXIST") throw error;
  }
}

/** Removes a file; false when it was not there. Throws FileError. */
export function removeFileIfExists(path: string): boolean {
  try {
    return unlinkIfThere(path);
  } catch (error) {
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
    closeFile(fd);
  }
}

/** Runs `work` while holding an exclusive lock, or returns undefined at once when somebody else holds it. */
export function tryWithLock<T>(path: string, work: () => T): T | undefined {
  const fd = openLockFile(path);
  try {
    return flock(fd, LOCK_EX | LOCK_NB) ? work() : undefined;
  } finally {
    closeFile(fd);
  }
}

/** Opens a file to lock, made where missing; closing it gives the lock back. Throws FileError. */
export function openLockFile(path: string): number {
  try {
    return openCreating(path, O_RDWR | O_CREAT, 0o600);
  } catch (error) {
    throw fileError("open lock", path, error);
  }
}
