/**
 * Takes connections on a port, one after the other, and closes each when it has sent as much as a transfer, or has ended:
 * the other end of traffic.ts, in a process of its own. It prints a line when it listens.
 *
 *     bun bench/sink.ts NETNS PORT
 */

import {
  AF_INET,
  acceptSocket,
  bindSocket,
  closeSocket,
  listenSocket,
  openSocket,
  receive,
  SOCK_STREAM,
  SystemCallError,
} from "../src/linux/libc.ts";
import { inNetns, openNetns } from "../src/linux/netns.ts";
import { encodeSocketAddress } from "../src/linux/socket-address.ts";
import { TRANSFER_BYTES } from "./traffic.ts";

const [path = "", port = ""] = process.argv.slice(2);
const netns = openNetns(path);
const listener = inNetns(netns, () => openSocket(AF_INET, SOCK_STREAM, 0));
bindSocket(listener, encodeSocketAddress("0.0.0.0", Number(port)));
listenSocket(listener, 4096);
console.log("listening");
const buffer = new Uint8Array(256 * 1024);
for (;;) {
  const fd = acceptSocket(listener);
  let left = TRANSFER_BYTES;
  for (let length = 1; length > 0 && left > 0; left -= length) length = receiveOrEnd(fd);
  closeSocket(fd);
}

/** A connection that was broken off has ended too. */
function receiveOrEnd(fd: number): number {
  try {
    return receive(fd, buffer);
  } catch (error) {
    if (error instanceof SystemCallError) return 0;
    throw error;
  }
}
