/** The pages of this process's executable that are in memory. */

import { readFileSync, readlinkSync } from "node:fs";
import { check, systemCall } from "./libc.ts";

/** @see asm-generic/mman-common.h */
const MADV_DONTNEED = 4;
const MADV_NOHUGEPAGE = 15;

/** A mapping: from, to, permissions, the path behind offset, device and inode, and what of it is no file's any more. */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ +(\S.*)\n(?:[A-Z].*\n)*?Anonymous: +(\d+) kB$/gm;

/**
 * Gives back the executable's code and constants, most of which were needed for the start alone. Those that are used again
 * come back from the page cache, in small pieces: the start had them mapped in pieces of 2 MiB, which is quick and takes
 * a multiple of the memory that is used. Throws SystemCallError.
 * @see madvise(2) MADV_DONTNEED, MADV_NOHUGEPAGE, proc_pid_smaps(5)
 */
export function releaseExecutablePages(): void {
  const executable = readlinkSync("/proc/self/exe");
  for (const [, from, to, permissions, path, changed] of readFileSync("/proc/self/smaps", "latin1").matchAll(MAPPING)) {
    // What has been written would be lost, also where it may not be written any more.
    if (path !== executable || permissions?.includes("w") || changed !== "0") continue;
    const begin = Number.parseInt(from ?? "", 16);
    const length = Number.parseInt(to ?? "", 16) - begin;
    for (const advice of [MADV_NOHUGEPAGE, MADV_DONTNEED]) {
      check(systemCall("madvise", begin, length, advice), "madvise", executable);
    }
  }
}
