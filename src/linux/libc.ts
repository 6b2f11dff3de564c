/**
 * System calls by FFI: the one door to those that the runtime has no function for.
 *
 * Nothing else imports `bun:ffi`. All go through the C library's syscall(2): to bind it once costs a process less than
 * to bind the twenty functions that a plugin would need.
 */

import { dlopen, type Pointer, read } from "bun:ffi";
import { KernelError } from "../core/errors.ts";
import { errnoName } from "./errno.ts";
import { NUMBERS, type SystemCall } from "./system-calls.ts";

/** A number, or memory, of which the kernel gets the address. */
type Argument = number | Uint8Array | Uint32Array | null;
type Six = [a: Argument, b: Argument, c: Argument, d: Argument, e: Argument, f: Argument];

let syscall: ((number: number, ...args: Six) => number) | undefined;
/** Where this thread's errno is, which stays the same: JavaScript runs on one thread. */
let errnoAddress: Pointer | undefined;

function bindSyscall(): NonNullable<typeof syscall> {
  const { symbols } = dlopen("libc.so.6", {
    __errno_location: { args: [], returns: "ptr" },
    // A number is fine as an address. What comes back, a descriptor or a length, never takes 64 bits here.
    syscall: { args: ["i32", "ptr", "ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
  });
  errnoAddress = (symbols.__errno_location() as Pointer | null) ?? undefined;
  // The first read, too, is done while nothing depends on it: whatever is done for the first time may set errno.
  errno();
  return symbols.syscall as unknown as NonNullable<typeof syscall>;
}

/** Makes a system call. What comes back negative is a failure, which {@link errno} names until anything else is done. */
export function systemCall(
  name: SystemCall,
  a: Argument = 0,
  b: Argument = 0,
  c: Argument = 0,
  d: Argument = 0,
  e: Argument = 0,
  f: Argument = 0,
): number {
  syscall ??= bindSyscall();
  return syscall(NUMBERS[name], a, b, c, d, e, f);
}

/** A system call that failed; `code` is the errno's name. */
export class SystemCallError extends KernelError {
  constructor(call: string, errno: number, subject?: string) {
    const code = errnoName(errno);
    super(`${call}${subject === undefined ? "" : ` ${JSON.stringify(subject)}`} failed: ${code}`, code);
  }
}

/**
 * Throws unless a call's return value is zero or more. `subject` is the path that the call was about, quoted only when
 * it has failed: whatever runs between the call and the look at errno may change that.
 */
export function check(result: number, call: string, subject?: string): number {
  if (result >= 0) return result;
  throw new SystemCallError(call, errno(), subject);
}

/** The number of the error of the call just made; to be asked before anything else is done. */
export function errno(): number {
  return errnoAddress === undefined ? 0 : read.i32(errnoAddress);
}

/** The bytes of a path or name with C's final zero. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** Ends the process at once: no exit handlers, no flushing. Saves about a millisecond. @see exit_group(2) */
export function exitNow(status: number): never {
  systemCall("exit_group", status);
  throw new Error("exit_group returned");
}

export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;

/** Locks an open file; false when LOCK_NB was given and another holds it. @see flock(2) */
export function flock(fd: number, operation: number): boolean {
  for (;;) {
    if (systemCall("flock", fd, operation) >= 0) return true;
    const error = errno();
    if (errnoName(error) === "EINTR") continue;
    if (errnoName(error) === "EAGAIN" && (operation & LOCK_NB) !== 0) return false;
    throw new SystemCallError("flock", error);
  }
}

export const CLONE_NEWNET = 0x40000000;

/** Moves this thread into the namespace behind a descriptor. @see setns(2) */
export function setns(fd: number, type: number): void {
  check(systemCall("setns", fd, type), "setns");
}

/** Gives this thread namespaces of its own. @see unshare(2) */
export function unshare(flags: number): void {
  check(systemCall("unshare", flags), "unshare");
}

/** @see linux/nsfs.h */
const NS_GET_NSTYPE = 0xb703;

/** The type of the namespace behind a descriptor, such as CLONE_NEWNET; undefined for another file. @see ioctl_ns(2) */
export function namespaceType(fd: number): number | undefined {
  const type = systemCall("ioctl", fd, NS_GET_NSTYPE);
  return type < 0 ? undefined : type;
}

/** @see linux/sockios.h */
const SIOCGIFINDEX = 0x8933;
/** sizeof(struct ifreq), which begins with a name of so many bytes. */
const IFREQ = 40;
const IFNAMSIZ = 16;

/** The index of the interface of a name in a socket's network namespace, or undefined. @see netdevice(7) */
export function interfaceIndex(socket: number, name: string): number | undefined {
  const request = new Uint8Array(IFREQ);
  const { read } = new TextEncoder().encodeInto(name, request.subarray(0, IFNAMSIZ - 1));
  if (read < name.length) return undefined;
  if (systemCall("ioctl", socket, SIOCGIFINDEX, request) >= 0) {
    return new DataView(request.buffer).getInt32(IFNAMSIZ, true);
  }
  const error = errno();
  if (errnoName(error) === "ENODEV") return undefined;
  throw new SystemCallError("ioctl", error, name);
}

/** Asks a device for something that is told in a structure, or in a number. @see ioctl(2) */
export function ioctl(fd: number, request: number, argument: Uint8Array | number): void {
  check(systemCall("ioctl", fd, request, argument), "ioctl");
}

export const MS_BIND = 4096;
export const MS_REC = 16384;
export const MS_SHARED = 1 << 20;
export const MNT_DETACH = 2;

/** Binds what stands at `source` over `target` as well. @see mount(2) MS_BIND */
export function bindMount(source: string, target: string): void {
  mount(source, target, MS_BIND);
}

/** As {@link bindMount}, with all mounts below. @see mount(2) MS_REC */
export function bindMountTree(source: string, target: string): void {
  mount(source, target, MS_BIND | MS_REC);
}

/** Lets a mount's copies in other mount namespaces see what is mounted below it from now on. @see mount(2) MS_SHARED */
export function shareMount(target: string): void {
  mount("", target, MS_SHARED | MS_REC);
}

function mount(source: string, target: string, flags: number): void {
  check(systemCall("mount", cString(source), cString(target), cString("none"), flags, null), "mount", target);
}

/** Takes a mount away as soon as nobody uses it. @see umount2(2) MNT_DETACH */
export function unmount(target: string): void {
  check(systemCall("umount2", cString(target), MNT_DETACH), "umount2", target);
}

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_BRIDGE = 7;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;
/** Like SO_SNDBUF and SO_RCVBUF, beyond the limits that sysctl sets; needs CAP_NET_ADMIN. */
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;

/** Opens a socket in the network namespace of this thread, closed on exec. @see socket(2) */
export function openSocket(domain: number, type: number, protocol: number): number {
  return check(systemCall("socket", domain, type | SOCK_CLOEXEC, protocol), "socket");
}

/** @see setsockopt(2) */
export function setSocketOption(fd: number, level: number, option: number, value: Uint8Array): void {
  check(systemCall("setsockopt", fd, level, option, value, value.length), "setsockopt");
}

/** Limits how long a socket's receive or send may block. @see socket(7) SO_RCVTIMEO */
export function setSocketTimeout(
  fd: number,
  option: typeof SO_RCVTIMEO | typeof SO_SNDTIMEO,
  milliseconds: number,
): void {
  // struct timeval: two 64-bit numbers, whose upper halves stay zero here. Big integers would cost a process 1 ms.
  const value = new Uint32Array([Math.floor(milliseconds / 1000), 0, (milliseconds % 1000) * 1000, 0]);
  setSocketOption(fd, SOL_SOCKET, option, new Uint8Array(value.buffer));
}

/** Sends to a connected socket, or to `address` where given. Returns the number of bytes taken. @see sendto(2) */
export function send(fd: number, bytes: Uint8Array, address?: Uint8Array): number {
  for (;;) {
    const sent = systemCall("sendto", fd, bytes, bytes.length, 0, address ?? null, address?.length ?? 0);
    if (sent >= 0) return sent;
    const error = errno();
    if (errnoName(error) !== "EINTR") throw new SystemCallError("sendto", error);
  }
}

export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;

/**
 * Receives one message or what a stream holds; the sender's address goes into `address` where given.
 * Returns the number of bytes, which exceeds the buffer's where MSG_TRUNC was given and the message was longer.
 * @see recvfrom(2)
 */
export function receive(fd: number, buffer: Uint8Array, flags = 0, address?: Uint8Array): number {
  const addressLength = address === undefined ? null : new Uint32Array([address.length]);
  for (;;) {
    const length = systemCall("recvfrom", fd, buffer, buffer.length, flags, address ?? null, addressLength);
    if (length >= 0) return length;
    const error = errno();
    if (errnoName(error) !== "EINTR") throw new SystemCallError("recvfrom", error);
  }
}

/** @see bind(2) */
export function bindSocket(fd: number, address: Uint8Array): void {
  check(systemCall("bind", fd, address, address.length), "bind");
}

/** @see connect(2) */
export function connectSocket(fd: number, address: Uint8Array): void {
  check(systemCall("connect", fd, address, address.length), "connect");
}

/** @see listen(2) */
export function listenSocket(fd: number, backlog: number): void {
  check(systemCall("listen", fd, backlog), "listen");
}

/** Takes the next connection; the peer's address goes into `address` where given. @see accept4(2) */
export function acceptSocket(fd: number, address?: Uint8Array): number {
  const addressLength = address === undefined ? null : new Uint32Array([address.length]);
  return check(systemCall("accept4", fd, address ?? null, addressLength, SOCK_CLOEXEC), "accept4");
}

/** @see close(2) */
export function closeSocket(fd: number): void {
  check(systemCall("close", fd), "close");
}
