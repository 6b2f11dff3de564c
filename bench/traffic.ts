/** Real traffic between two network namespaces, timed at its source. */

import {
  AF_INET,
  closeSocket,
  connectSocket,
  openSocket,
  receive,
  SO_RCVTIMEO,
  SO_SNDTIMEO,
  SOCK_STREAM,
  SOL_SOCKET,
  send,
  setSocketOption,
  setSocketTimeout,
} from "../src/linux/libc.ts";
import { inNetns, type Netns } from "../src/linux/netns.ts";
import { encodeSocketAddress } from "../src/linux/socket-address.ts";
import type { Sample } from "./measurement.ts";

const SO_LINGER = 13;
const TIMEOUT_MS = 10_000;
/** What a transfer has; the sink closes when it has got as much. */
export const TRANSFER_BYTES = 256 * 1024 * 1024;
const BLOCK = new Uint8Array(256 * 1024);

/** An IPv4 address and port, asked from a namespace. */
export interface Target {
  readonly from: Netns;
  readonly address: string;
  readonly port: number;
}

/** Connects so many times, one after the other, and breaks each connection off. */
export function connectOften({ from, address, port }: Target, times: number): Sample {
  const to = encodeSocketAddress(address, port);
  // Closing sends a reset: no port stays taken by a connection that has ended.
  const linger = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);
  return timed(from, () => {
    for (let i = 0; i < times; i++) {
      const fd = openSocket(AF_INET, SOCK_STREAM, 0);
      setSocketOption(fd, SOL_SOCKET, SO_LINGER, linger);
      connectSocket(fd, to);
      closeSocket(fd);
    }
  });
}

/** Sends {@link TRANSFER_BYTES} by one connection, until they have arrived. */
export function transfer({ from, address, port }: Target): Sample {
  return timed(from, () => {
    const fd = openSocket(AF_INET, SOCK_STREAM, 0);
    setSocketTimeout(fd, SO_SNDTIMEO, TIMEOUT_MS);
    setSocketTimeout(fd, SO_RCVTIMEO, TIMEOUT_MS);
    connectSocket(fd, encodeSocketAddress(address, port));
    let left = TRANSFER_BYTES;
    while (left > 0) left -= send(fd, left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK);
    if (receive(fd, new Uint8Array(1)) !== 0) throw new Error("The sink has answered");
    closeSocket(fd);
  });
}

function timed(netns: Netns, work: () => void): Sample {
  return inNetns(netns, () => {
    const before = process.cpuUsage();
    const start = performance.now();
    work();
    const wall = performance.now() - start;
    const { user, system } = process.cpuUsage(before);
    return { wall, cpu: (user + system) / 1000 };
  });
}
