/** The pages of this process's executable that are in memory. */

import { readFileSync, readlinkSync } from "node:fs";
import { check, SystemCallError, systemCall } from "./libc.ts";
import { closeFile } from "./libc-file.ts";

/** @see asm-generic/mman-common.h */
const MADV_DONTNEED = 4;
const MADV_NOHUGEPAGE = 15;

/** @see linux/userfaultfd.h */
const UFFD_API = 0xaan;
const UFFDIO_API = 0xc018_aa3f;
const UFFDIO_REGISTER = 0xc020_aa00;
const UFFDIO_REGISTER_MODE_WP = 2n;
const UFFD_FEATURE_WP_ASYNC = 1n << 15n;
const UFFD_USER_MODE_ONLY = 1;
/** @see asm-generic/fcntl.h */
const O_CLOEXEC = 0o2000000;

/** A mapping: from, to, permissions, the path behind offset, device and inode, and what of it is no file's any more. */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ +(\S.*)\n(?:[A-Z].*\n)*?Anonymous: +(\d+) kB$/gm;

interface Mapping {
  readonly begin: number;
  /** In bytes. */
  readonly length: number;
}

/**
 * Gives back the executable's code and constants, most of which were needed for the start alone. Those that are used again
 * come back from the page cache: the start had them mapped in pieces of 2 MiB, which is quick and takes a multiple of the
 * memory that is used. Throws SystemCallError.
 * @see madvise(2) MADV_DONTNEED, MADV_NOHUGEPAGE, proc_pid_smaps(5)
 */
export function releaseExecutablePages(): void {
  const executable = readlinkSync("/proc/self/exe");
  const mappings = constantsOf(executable);
  mapSinglePages(mappings);
  for (const { begin, length } of mappings) {
    for (const advice of [MADV_NOHUGEPAGE, MADV_DONTNEED]) {
      check(systemCall("madvise", begin, length, advice), "madvise", executable);
    }
  }
}

/** The mappings of what nobody has written: that would be lost, also where it may not be written any more. */
function constantsOf(executable: string): Mapping[] {
  const found = readFileSync("/proc/self/smaps", "latin1").matchAll(MAPPING);
  return [...found].flatMap(([, from = "", to = "", permissions, path, changed]) => {
    if (path !== executable || permissions?.includes("w") || changed !== "0") return [];
    const begin = Number.parseInt(from, 16);
    return [{ begin, length: Number.parseInt(to, 16) - begin }];
  });
}

/**
 * Has the kernel map the one page that is asked for. It else maps what lies around it, too, up to 64 KiB, which of code
 * that is used here and there is nearly all. There is no advice for that; but it leaves what lies around alone in memory
 * of which somebody wants to know when it is written. Nobody ever writes here, and with UFFD_FEATURE_WP_ASYNC nobody is
 * asked either. Kernels before 6.7, and profiles of seccomp(2) that forbid it, leave things as they are.
 * @see userfaultfd(2), ioctl_userfaultfd(2) UFFDIO_REGISTER, Documentation/admin-guide/mm/userfaultfd.rst
 */
function mapSinglePages(mappings: readonly Mapping[]): void {
  // What is registered stays so for as long as the descriptor is open: the process's life.
  const fd = systemCall("userfaultfd", O_CLOEXEC | UFFD_USER_MODE_ONLY);
  if (fd < 0) return;
  try {
    check(systemCall("ioctl", fd, UFFDIO_API, words(UFFD_API, UFFD_FEATURE_WP_ASYNC, 0n)), "UFFDIO_API");
    for (const { begin, length } of mappings) {
      const range = words(BigInt(begin), BigInt(length), UFFDIO_REGISTER_MODE_WP, 0n);
      check(systemCall("ioctl", fd, UFFDIO_REGISTER, range), "UFFDIO_REGISTER");
    }
  } catch (error) {
    closeFile(fd);
    if (!(error instanceof SystemCallError)) throw error;
  }
}

function words(...values: readonly bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values).buffer);
}
