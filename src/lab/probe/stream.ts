/** One TCP stream between two namespaces, each end in a process of its own, so that both have a processor. */

import { TendrilError } from "../../core/errors.ts";
import { familyOf } from "../../core/ip.ts";
import {
  acceptSocket,
  bindSocket,
  closeSocket,
  connectSocket,
  listenSocket,
  openSocket,
  receive,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_SNDTIMEO,
  SOCK_STREAM,
  SOL_SOCKET,
  send,
  setSocketOption,
  setSocketTimeout,
} from "../../linux/libc.ts";
import { closeNetns, inNetns, namedNetnsPath, openNetns } from "../../linux/netns.ts";
import { domainOf, encodeSocketAddress } from "../../linux/socket-address.ts";

const PORT = 17118;
const TIMEOUT_MS = 5_000;
/** Large enough that system calls cost little, small enough to stay in the processor's cache. */
const BUFFER_SIZE = 256 * 1024;

export interface StreamFigure {
  readonly bytes: number;
  readonly seconds: number;
}

/** Listens in a namespace, says so by `ready`, and receives one stream to its end. Throws KernelError. */
export function receiveStream(netnsName: string, address: string, ready: () => void): StreamFigure {
  const listener = openIn(netnsName, address);
  try {
    setSocketOption(listener, SOL_SOCKET, SO_REUSEADDR, new Uint8Array([1, 0, 0, 0]));
    setSocketTimeout(listener, SO_RCVTIMEO, TIMEOUT_MS);
    bindSocket(listener, encodeSocketAddress(address, PORT));
    listenSocket(listener, 1);
    ready();
    const fd = acceptSocket(listener);
    try {
      setSocketTimeout(fd, SO_RCVTIMEO, TIMEOUT_MS);
      const buffer = new Uint8Array(BUFFER_SIZE);
      const start = performance.now();
      let bytes = 0;
      for (let length = receive(fd, buffer); length > 0; length = receive(fd, buffer)) bytes += length;
      return { bytes, seconds: (performance.now() - start) / 1000 };
    } finally {
      closeSocket(fd);
    }
  } finally {
    closeSocket(listener);
  }
}

/** Sends as fast as it goes, for so many milliseconds. Throws KernelError. */
export function sendStream(netnsName: string, address: string, milliseconds: number): void {
  const fd = openIn(netnsName, address);
  try {
    setSocketTimeout(fd, SO_SNDTIMEO, TIMEOUT_MS);
    connectSocket(fd, encodeSocketAddress(address, PORT));
    const buffer = new Uint8Array(BUFFER_SIZE);
    const end = performance.now() + milliseconds;
    while (performance.now() < end) send(fd, buffer);
  } finally {
    closeSocket(fd);
  }
}

function openIn(netnsName: string, address: string): number {
  const netns = openNetns(namedNetnsPath(netnsName));
  try {
    return inNetns(netns, () => openSocket(domainOf(familyOf(address)), SOCK_STREAM, 0));
  } finally {
    closeNetns(netns);
  }
}

/** The two ends of a stream. */
export interface StreamEnds {
  /** Names of network namespaces. */
  readonly from: string;
  readonly to: string;
  /** The receiver's address. */
  readonly address: string;
}

/**
 * Measures a stream by two processes of this program, which `self` starts: its words are followed by `receive NETNS
 * ADDRESS` and by `send NETNS ADDRESS MILLISECONDS`. Throws TendrilError when one of them fails.
 */
export async function measureStream(
  { from, to, address }: StreamEnds,
  self: readonly string[],
  milliseconds: number,
): Promise<StreamFigure> {
  const receiver = Bun.spawn([...self, "receive", to, address], { stdout: "pipe", stderr: "inherit" });
  try {
    const lines = receiver.stdout.getReader();
    let said = await nextText(lines);
    if (!said.startsWith("ready\n")) throw new TendrilError("The receiver of the stream did not start");
    const sender = Bun.spawn([...self, "send", from, address, String(milliseconds)], {
      stdout: "ignore",
      stderr: "inherit",
    });
    if ((await sender.exited) !== 0) throw new TendrilError("The sender of the stream failed");
    said = said.slice("ready\n".length);
    for (let text = await nextText(lines); text !== ""; text = await nextText(lines)) said += text;
    if ((await receiver.exited) !== 0) throw new TendrilError("The receiver of the stream failed");
    return JSON.parse(said) as StreamFigure;
  } finally {
    receiver.kill();
    await receiver.exited;
  }
}

async function nextText(reader: { read(): Promise<{ value?: Uint8Array | undefined }> }): Promise<string> {
  const { value } = await reader.read();
  return value === undefined ? "" : new TextDecoder().decode(value);
}
