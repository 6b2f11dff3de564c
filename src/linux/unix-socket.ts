/** Connections to sockets that are files, without the runtime's own module for them. @see unix(7) */

import { errnoName } from "./errno.ts";
import {
  AF_UNIX,
  closeSocket,
  errno,
  openSocket,
  receive,
  SO_RCVTIMEO,
  SO_SNDTIMEO,
  SOCK_STREAM,
  SystemCallError,
  send,
  setSocketTimeout,
  systemCall,
} from "./libc.ts";

/** sizeof(sun_path), which ends with a zero. @see linux/un.h UNIX_PATH_MAX */
const LONGEST_PATH = 107;

/** Who may listen there does not: nobody has made the socket, or who made it is gone. */
const NOBODY = ["ENOENT", "ENOTDIR", "ECONNREFUSED"];

const encoder = new TextEncoder();

/**
 * Connects to the socket at a path; undefined where nobody listens. Sending and receiving give up after `timeout`
 * milliseconds with EAGAIN. Throws SystemCallError.
 */
export function connectUnix(path: string, timeout: number): number | undefined {
  const address = new Uint8Array(2 + LONGEST_PATH + 1);
  address[0] = AF_UNIX;
  const { read, written } = encoder.encodeInto(path, address.subarray(2, 2 + LONGEST_PATH));
  if (read < path.length) return undefined;
  const fd = openSocket(AF_UNIX, SOCK_STREAM, 0);
  if (systemCall("connect", fd, address, 2 + written + 1) >= 0) {
    setSocketTimeout(fd, SO_RCVTIMEO, timeout);
    setSocketTimeout(fd, SO_SNDTIMEO, timeout);
    return fd;
  }
  const error = errno();
  closeSocket(fd);
  if (NOBODY.includes(errnoName(error))) return undefined;
  throw new SystemCallError("connect", error, path);
}

/** Sends all of some bytes. Throws SystemCallError, `EPIPE` when the other side is gone. */
export function sendAll(fd: number, bytes: Uint8Array): void {
  let rest = bytes;
  while (rest.length > 0) rest = rest.subarray(send(fd, rest));
}

/** Receives until the other side ends the connection. Throws SystemCallError. */
export function receiveToEnd(fd: number): Uint8Array {
  let bytes = new Uint8Array(16_384);
  for (let length = 0; ; ) {
    const got = receive(fd, bytes.subarray(length));
    length += got;
    if (got === 0) return bytes.subarray(0, length);
    if (length < bytes.length) continue;
    const larger = new Uint8Array(4 * length);
    larger.set(bytes);
    bytes = larger;
  }
}
