/**
 * The numbers of system calls. Of those that do the same, one is taken that every architecture has: `openat` and not
 * `open`.
 */

/** x86-64 has numbers of its own. @see asm/unistd_64.h */
export const X86_64 = {
  read: 0,
  write: 1,
  close: 3,
  ioctl: 16,
  madvise: 28,
  socket: 41,
  connect: 42,
  sendto: 44,
  recvfrom: 45,
  bind: 49,
  listen: 50,
  setsockopt: 54,
  flock: 73,
  fsync: 74,
  mount: 165,
  umount2: 166,
  getdents64: 217,
  clock_gettime: 228,
  exit_group: 231,
  openat: 257,
  mkdirat: 258,
  unlinkat: 263,
  renameat: 264,
  readlinkat: 267,
  faccessat: 269,
  unshare: 272,
  utimensat: 280,
  accept4: 288,
  setns: 308,
  userfaultfd: 323,
  statx: 332,
};

/** arm64 and whatever came later. @see asm-generic/unistd.h */
export const GENERIC: typeof X86_64 = {
  ioctl: 29,
  flock: 32,
  mkdirat: 34,
  unlinkat: 35,
  renameat: 38,
  umount2: 39,
  mount: 40,
  faccessat: 48,
  openat: 56,
  close: 57,
  getdents64: 61,
  read: 63,
  write: 64,
  readlinkat: 78,
  fsync: 82,
  utimensat: 88,
  exit_group: 94,
  unshare: 97,
  clock_gettime: 113,
  socket: 198,
  bind: 200,
  listen: 201,
  connect: 203,
  sendto: 206,
  recvfrom: 207,
  setsockopt: 208,
  madvise: 233,
  accept4: 242,
  setns: 268,
  userfaultfd: 282,
  statx: 291,
};

export type SystemCall = keyof typeof X86_64;

export const NUMBERS = process.arch === "x64" ? X86_64 : GENERIC;
