/**
 * The sockets of one member of a lab in one family: what answers probes, and what sends them.
 *
 * All members' sockets belong to this one process; each was opened in its member's network namespace, where it stays.
 */

import { KernelError } from "../../core/errors.ts";
import { type Family, familyOf } from "../../core/ip.ts";
import {
  acceptSocket,
  bindSocket,
  closeSocket,
  listenSocket,
  MSG_DONTWAIT,
  openSocket,
  receive,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_SOCKET,
  send,
  setSocketOption,
} from "../../linux/libc.ts";
import { inNetns, type Netns } from "../../linux/netns.ts";
import { decodeSocketAddress, domainOf, emptySocketAddress, encodeSocketAddress } from "../../linux/socket-address.ts";
import { decodeIcmp, IPPROTO_ICMP, IPPROTO_ICMPV6 } from "./icmp.ts";
import { parseToken, TOKEN_SIZE } from "./token.ts";

/** The port on which members answer. It is below the range of ports that the kernel gives to clients. */
export const PROBE_PORT = 17117;

export const SOCK_NONBLOCK = 0o4000;
const BACKLOG = 512;
/** The largest datagram that there is. */
const DATAGRAM_SIZE = 65536;

/** Sends packets with DF set, and refuses those that are too large for their way. @see ip(7) IP_MTU_DISCOVER */
const DONT_FRAGMENT = {
  4: { level: 0, option: 10 },
  6: { level: 41, option: 23 },
} as const;
const PMTUDISC_DO = 2;

/** What has arrived, by the number of the probe. */
export interface Arrivals {
  /** Requests at their target: the source address that it saw. */
  readonly requests: Map<number, string>;
  /** Answers to ICMP and UDP probes, back at their source: the address that they came from. */
  readonly answers: Map<number, string>;
}

export interface Endpoint {
  readonly family: Family;
  readonly netns: Netns;
  readonly listener: number;
  readonly udp: number;
  /** Sends UDP probes, from a port of the kernel's choice. */
  readonly udpClient: number;
  readonly icmp: number;
  /** Accepted connections from which nothing has been read, with their peers. */
  readonly accepted: Map<number, string>;
}

/**
 * Opens the sockets inside a namespace. They are bound to the address that probes go to, so that a member with several
 * addresses answers under that one. Throws KernelError: `EADDRINUSE` when another program has the port, `EADDRNOTAVAIL`
 * when the member does not have the address.
 */
export function openEndpoint(netns: Netns, ip: string): Endpoint {
  const family = familyOf(ip);
  const address = encodeSocketAddress(ip, PROBE_PORT);
  return inNetns(netns, () => {
    const domain = domainOf(family);
    const opened: number[] = [];
    const open = (type: number, protocol = 0) => {
      const fd = openSocket(domain, type | SOCK_NONBLOCK, protocol);
      opened.push(fd);
      return fd;
    };
    try {
      const listener = open(SOCK_STREAM);
      // Connections of a test that has just ended may still hold the port.
      setSocketOption(listener, SOL_SOCKET, SO_REUSEADDR, new Uint8Array([1, 0, 0, 0]));
      bindSocket(listener, address);
      listenSocket(listener, BACKLOG);
      const udp = open(SOCK_DGRAM);
      bindSocket(udp, address);
      const udpClient = open(SOCK_DGRAM);
      const icmp = open(SOCK_RAW, family === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
      const { level, option } = DONT_FRAGMENT[family];
      for (const fd of [udp, udpClient, icmp])
        setSocketOption(fd, level, option, new Uint8Array([PMTUDISC_DO, 0, 0, 0]));
      return { family, netns, listener, udp, udpClient, icmp, accepted: new Map() };
    } catch (error) {
      for (const fd of opened) closeSocket(fd);
      throw error;
    }
  });
}

export function closeEndpoint({ listener, udp, udpClient, icmp, accepted }: Endpoint): void {
  for (const fd of [listener, udp, udpClient, icmp, ...accepted.keys()]) closeSocket(fd);
}

/** Takes what has come, answers it, and notes it in `arrivals`. Never waits. */
export function serve(endpoint: Endpoint, arrivals: Arrivals): void {
  serveTcp(endpoint, arrivals);
  for (const { bytes, from } of drain(endpoint, endpoint.udp)) {
    const probe = parseToken(bytes);
    if (probe === undefined) continue;
    arrivals.requests.set(probe, decodeSocketAddress(endpoint.family, from));
    // The way back may be broken: then the source waits in vain, which is what it reports.
    attempt(() => send(endpoint.udp, bytes, from));
  }
  for (const { bytes, from } of drain(endpoint, endpoint.udpClient)) {
    const probe = parseToken(bytes);
    if (probe !== undefined) arrivals.answers.set(probe, decodeSocketAddress(endpoint.family, from));
  }
  for (const { bytes, from } of drain(endpoint, endpoint.icmp)) {
    const message = decodeIcmp(endpoint.family, bytes);
    const probe = message === undefined ? undefined : parseToken(message.payload);
    if (message === undefined || probe === undefined) continue;
    // The kernel answers echo requests; the raw socket only listens in.
    if (message.kind === "request") arrivals.requests.set(probe, decodeSocketAddress(endpoint.family, from));
    if (message.kind === "reply") arrivals.answers.set(probe, decodeSocketAddress(endpoint.family, from));
  }
}

function serveTcp({ listener, family, accepted }: Endpoint, arrivals: Arrivals): void {
  for (;;) {
    const from = emptySocketAddress(family);
    const fd = attempt(() => acceptSocket(listener, from));
    if (fd === undefined) break;
    accepted.set(fd, decodeSocketAddress(family, from));
  }
  const buffer = new Uint8Array(TOKEN_SIZE);
  for (const [fd, peer] of accepted) {
    const length = attempt(() => receive(fd, buffer, MSG_DONTWAIT));
    if (length === undefined) continue;
    const probe = parseToken(buffer.subarray(0, length));
    if (probe !== undefined) {
      arrivals.requests.set(probe, peer);
      attempt(() => send(fd, buffer));
    }
    accepted.delete(fd);
    closeSocket(fd);
  }
}

function* drain({ family }: Endpoint, fd: number): Generator<{ bytes: Uint8Array; from: Uint8Array }> {
  const buffer = new Uint8Array(DATAGRAM_SIZE);
  for (;;) {
    const from = emptySocketAddress(family);
    const length = attempt(() => receive(fd, buffer, MSG_DONTWAIT, from));
    if (length === undefined) return;
    yield { bytes: buffer.slice(0, length), from };
  }
}

/** What a system call returns, or undefined when it has nothing to return now, or reports an error of the network. */
function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  }
}
