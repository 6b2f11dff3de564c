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

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_EMPTY_PATH = 0x1000;

/** Opens a file, closed on exec. @see open(2) */
export function openFile(path: string, flags: number, mode = 0): number {
  return check(systemCall("openat", AT_FDCWD, cString(path), flags | O_CLOEXEC, mode), "open", path);
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

/** Reads to the end. */
export function readToEnd(fd: number): Uint8Array {
  let bytes = new Uint8Array(16_384);
  for (let length = 0; ; ) {
    const got = readInto(fd, bytes.subarray(length));
    if (got === 0) return bytes.subarray(0, length);
    length += got;
    if (length === bytes.length) {
      const larger = new Uint8Array(4 * length);
      larger.set(bytes);
      bytes = larger;
    }
  }
}

/** Writes all of it, in as many calls as it takes. @see write(2) */
export function writeAll(fd: number, bytes: Uint8Array): void {
  let rest = bytes;
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
  const fd = openFile(path, O_RDONLY);
  try {
    return new TextDecoder().decode(readToEnd(fd));
  } finally {
    closeFile(fd);
  }
}

/** @see rename(2) */
export function renameFile(from: string, to: string): void {
  check(systemCall("renameat", AT_FDCWD, cString(from), AT_FDCWD, cString(to)), "rename", from);
}

/** @see unlink(2) */
export function unlinkFile(path: string): void {
  check(systemCall("unlinkat", AT_FDCWD, cString(path), 0), "unlink", path);
}

/** Whether something is there, of whatever kind. @see access(2) F_OK */
export function exists(path: string): boolean {
  return systemCall("faccessat", AT_FDCWD, cString(path), 0) === 0;
}

export const R_OK = 4;
export const W_OK = 2;
export const X_OK = 1;

/** Whether this process may use a file in these ways. @see access(2) */
export function isAccessible(path: string, ways: number): boolean {
  return systemCall("faccessat", AT_FDCWD, cString(path), ways) === 0;
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
export function statFile(path: string, options: { followLink?: boolean } = {}): FileStatus {
  return status(AT_FDCWD, path, options.followLink === false ? AT_SYMLINK_NOFOLLOW : 0);
}

/** @see statx(2) */
export function statDescriptor(fd: number): FileStatus {
  return status(fd, "", AT_EMPTY_PATH);
}

function status(fd: number, path: string, flags: number): FileStatus {
  const bytes = new Uint8Array(256);
  const subject = path === "" ? undefined : path;
  check(systemCall("statx", fd, cString(path), flags, STATX_BASIC_STATS, bytes), "statx", subject);
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

/** Makes a folder. @see mkdir(2) */
export function makeFolder(path: string, mode: number): void {
  check(systemCall("mkdirat", AT_FDCWD, cString(path), mode), "mkdir", path);
}

/** Removes an empty folder. @see rmdir(2) */
export function removeFolder(path: string): void {
  check(systemCall("unlinkat", AT_FDCWD, cString(path), AT_REMOVEDIR), "rmdir", path);
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
  check(systemCall("utimensat", AT_FDCWD, cString(path), times, 0), "utimensat", path);
}

/** The names in a folder, in no order. @see getdents(2) struct linux_dirent64 */
export function listFolder(path: string): string[] {
  // Without O_DIRECTORY, which is another number on arm64; getdents64 answers ENOTDIR itself.
  const fd = openFile(path, O_RDONLY);
  try {
    const names: string[] = [];
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(32_768);
    const view = new DataView(buffer.buffer);
    for (;;) {
      const length = check(systemCall("getdents64", fd, buffer, buffer.length), "getdents64", path);
      if (length === 0) return names;
      for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
        const end = buffer.indexOf(0, at + 19);
        const name = decoder.decode(buffer.subarray(at + 19, end));
        if (name !== "." && name !== "..") names.push(name);
      }
    }
  } finally {
    closeFile(fd);
  }
}
