/**
 * System calls on files and folders.
 *
 * The runtime has its own module for files, but loading it takes a third of the time that a plugin has for its whole
 * answer. All throw SystemCallError with the errno's name as `code`.
 */

import { errnoName } from "./errno.ts";
import { check, cString, errno, SystemCallError, systemCall } from "./libc.ts";

/** @see asm-generic/fcntl.h */
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
const O_CLOEXEC = 0o2000000;

/**
 * Memory that is used again and again, for each buffer that a process makes costs it some microseconds: for the path of
 * the call that is being made, and for what is being read.
 */
const pathMemory = new Uint8Array(4096);
const readMemory = new Uint8Array(16_384);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The bytes of a path with C's final zero, valid until the next call. */
function pathBytes(path: string): Uint8Array {
  const { read, written } = encoder.encodeInto(path, pathMemory);
  if (read < path.length || written === pathMemory.length) return cString(path);
  pathMemory[written] = 0;
  return pathMemory;
}

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_EMPTY_PATH = 0x1000;

/** Opens a file, closed on exec. @see open(2) */
export function openFile(path: string, flags: number, mode = 0): number {
  return check(systemCall("openat", AT_FDCWD, pathBytes(path), flags | O_CLOEXEC, mode), "open", path);
}

/** The same for a file that may well not be there: undefined then, which an exception would make dearer than the call. */
export function openFileIfThere(path: string, flags: number): number | undefined {
  const fd = systemCall("openat", AT_FDCWD, pathBytes(path), flags | O_CLOEXEC, 0);
  if (fd >= 0) return fd;
  const error = errno();
  if (isMissing(error)) return undefined;
  throw new SystemCallError("open", error, path);
}

function isMissing(error: number): boolean {
  const code = errnoName(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** @see close(2) */
export function closeFile(fd: number): void {
  check(systemCall("close", fd), "close");
}

/** Reads what is there, at most as much as the buffer takes; 0 at the end. @see read(2) */
export function readInto(fd: number, buffer: Uint8Array): number {
  for (;;) {
    const length = systemCall("read", fd, buffer, buffer.length);
    if (length >= 0) return length;
    const error = errno();
    if (errnoName(error) !== "EINTR") throw new SystemCallError("read", error);
  }
}

/** Reads to the end, as text in UTF-8. */
export function readTextToEnd(fd: number): string {
  let bytes = readMemory;
  for (let length = 0; ; ) {
    const got = readInto(fd, bytes.subarray(length));
    if (got === 0) return decoder.decode(bytes.subarray(0, length));
    length += got;
    if (length === bytes.length) {
      const larger = new Uint8Array(4 * length);
      larger.set(bytes);
      bytes = larger;
    }
  }
}

/** Writes all of a text in UTF-8, in as many calls as it takes. @see write(2) */
export function writeText(fd: number, text: string): void {
  let rest: Uint8Array = encoder.encode(text);
  while (rest.length > 0) {
    const written = systemCall("write", fd, rest, rest.length);
    if (written >= 0) {
      rest = rest.subarray(written);
    } else {
      const error = errno();
      if (errnoName(error) !== "EINTR") throw new SystemCallError("write", error);
    }
  }
}

/** The whole text of a file in UTF-8. */
export function readText(path: string): string {
  return readTextAndClose(openFile(path, O_RDONLY));
}

/** The same; undefined when the file, or a folder on its path, is not there. */
export function readTextIfThere(path: string): string | undefined {
  const fd = openFileIfThere(path, O_RDONLY);
  return fd === undefined ? undefined : readTextAndClose(fd);
}

function readTextAndClose(fd: number): string {
  try {
    return readTextToEnd(fd);
  } finally {
    closeFile(fd);
  }
}

/** @see rename(2) */
export function renameFile(from: string, to: string): void {
  check(systemCall("renameat", AT_FDCWD, pathBytes(from), AT_FDCWD, cString(to)), "rename", from);
}

/** Removes a file; false when it, or a folder on its path, is not there. @see unlink(2) */
export function unlinkIfThere(path: string): boolean {
  if (systemCall("unlinkat", AT_FDCWD, pathBytes(path), 0) >= 0) return true;
  const error = errno();
  if (isMissing(error)) return false;
  throw new SystemCallError("unlink", error, path);
}

/** Whether something is there, of whatever kind. @see access(2) F_OK */
export function exists(path: string): boolean {
  return systemCall("faccessat", AT_FDCWD, pathBytes(path), 0) === 0;
}

export const R_OK = 4;
export const W_OK = 2;
export const X_OK = 1;

/** Whether this process may use a file in these ways. @see access(2) */
export function isAccessible(path: string, ways: number): boolean {
  return systemCall("faccessat", AT_FDCWD, pathBytes(path), ways) === 0;
}

/** What of a file its name, owner and content do not tell. */
export interface FileStatus {
  readonly kind: "file" | "folder" | "link" | "other";
  /** Device and inode: the same for every name of one file. */
  readonly id: string;
  readonly inode: number;
  readonly size: number;
  /** When its content changed last, in milliseconds since 1970, with fractions. */
  readonly modifiedMs: number;
}

const STATX_BASIC_STATS = 0x7ff;
const S_IFMT = 0o170000;
const KINDS: ReadonlyMap<number, FileStatus["kind"]> = new Map([
  [0o100000, "file"],
  [0o040000, "folder"],
  [0o120000, "link"],
]);

/** @see statx(2) */
export function statFile(path: string): FileStatus {
  const found = status(AT_FDCWD, path, 0);
  if (typeof found === "number") throw new SystemCallError("statx", found, path);
  return found;
}

/** What is known of a file, or of a link itself; undefined when it, or a folder on its path, is not there. */
export function statIfThere(path: string): FileStatus | undefined {
  const found = status(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
  if (typeof found !== "number") return found;
  if (isMissing(found)) return undefined;
  throw new SystemCallError("statx", found, path);
}

/** @see statx(2) */
export function statDescriptor(fd: number): FileStatus {
  const found = status(fd, "", AT_EMPTY_PATH);
  if (typeof found === "number") throw new SystemCallError("statx", found);
  return found;
}

/** What is known of a file, or the error's number. */
function status(fd: number, path: string, flags: number): FileStatus | number {
  const bytes = new Uint8Array(256);
  if (systemCall("statx", fd, pathBytes(path), flags, STATX_BASIC_STATS, bytes) < 0) return errno();
  const view = new DataView(bytes.buffer);
  const u64 = (at: number) => view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
  const inode = u64(32);
  return {
    kind: KINDS.get(view.getUint16(28, true) & S_IFMT) ?? "other",
    id: `${view.getUint32(136, true)}:${view.getUint32(140, true)}:${inode}`,
    inode,
    size: u64(40),
    modifiedMs: u64(112) * 1000 + view.getUint32(120, true) / 1e6,
  };
}

/** What a symbolic link says. @see readlink(2) */
export function readLink(path: string): string {
  const length = check(
    systemCall("readlinkat", AT_FDCWD, pathBytes(path), readMemory, readMemory.length),
    "readlink",
    path,
  );
  return decoder.decode(readMemory.subarray(0, length));
}

/** Makes a folder. @see mkdir(2) */
export function makeFolder(path: string, mode: number): void {
  check(systemCall("mkdirat", AT_FDCWD, pathBytes(path), mode), "mkdir", path);
}

/** Removes an empty folder. @see rmdir(2) */
export function removeFolder(path: string): void {
  check(systemCall("unlinkat", AT_FDCWD, pathBytes(path), AT_REMOVEDIR), "rmdir", path);
}

/** Waits until the disk has what was written. @see fsync(2) */
export function syncFile(fd: number): void {
  check(systemCall("fsync", fd), "fsync");
}

/** Sets when a file's content changed last, in whole seconds since 1970, and when it was last read. @see utimensat(2) */
export function setModified(path: string, seconds: number): void {
  const times = new Uint8Array(32);
  const view = new DataView(times.buffer);
  for (const at of [0, 16]) {
    view.setUint32(at, seconds >>> 0, true);
    view.setUint32(at + 4, Math.floor(seconds / 0x1_0000_0000), true);
  }
  check(systemCall("utimensat", AT_FDCWD, pathBytes(path), times, 0), "utimensat", path);
}

/**
 * The names in a folder that begin in this way, in no order. Of thousands few are wanted, so the others never become
 * text. @see getdents(2) struct linux_dirent64
 */
export function listFolder(path: string, beginning = ""): string[] {
  // Without O_DIRECTORY, which is another number on arm64; getdents64 answers ENOTDIR itself.
  const fd = openFile(path, O_RDONLY);
  try {
    const names: string[] = [];
    const wanted = encoder.encode(beginning);
    const buffer = new Uint8Array(32_768);
    const view = new DataView(buffer.buffer);
    for (;;) {
      const length = check(systemCall("getdents64", fd, buffer, buffer.length), "getdents64", path);
      if (length === 0) return names;
      for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
        let same = 0;
        while (same < wanted.length && buffer[at + 19 + same] === wanted[same]) same++;
        if (same < wanted.length) continue;
        const end = buffer.indexOf(0, at + 19);
        const name = decoder.decode(buffer.subarray(at + 19, end));
        if (name !== "." && name !== "..") names.push(name);
      }
    }
  } finally {
    closeFile(fd);
  }
}
