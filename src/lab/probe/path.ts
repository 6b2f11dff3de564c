/** The hops of a way, found as traceroute(8) does: by echo requests whose hop limit rises until one arrives. */

import { KernelError } from "../../core/errors.ts";
import { type Family, familyOf } from "../../core/ip.ts";
import { closeSocket, MSG_DONTWAIT, openSocket, receive, SOCK_RAW, send, setSocketOption } from "../../linux/libc.ts";
import { closeNetns, inNetns, namedNetnsPath, openNetns } from "../../linux/netns.ts";
import { decodeSocketAddress, domainOf, emptySocketAddress, encodeSocketAddress } from "../../linux/socket-address.ts";
import { decodeIcmp, encodeEchoRequest, IPPROTO_ICMP, IPPROTO_ICMPV6 } from "./icmp.ts";
import { makeToken, parseToken } from "./token.ts";

const IPPROTO_IP = 0;
const IP_TTL = 2;
const IPPROTO_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;

const MAX_HOPS = 16;
const TIMEOUT_MS = 300;

export interface Hop {
  /** Who answered; undefined when nobody did. */
  readonly address?: string;
  /** Whether it is the target. */
  readonly arrived: boolean;
  /** It has answered that it cannot send the packet on. */
  readonly unreachable?: true;
  /** In milliseconds. */
  readonly roundTrip?: number;
}

/** The hops from a namespace to an address, the target last where it was reached. Throws KernelError. */
export function tracePath(netnsName: string, address: string): Hop[] {
  const family = familyOf(address);
  const netns = openNetns(namedNetnsPath(netnsName));
  try {
    const protocol = family === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    const fd = inNetns(netns, () => openSocket(domainOf(family), SOCK_RAW, protocol));
    try {
      const hops: Hop[] = [];
      for (let limit = 1; limit <= MAX_HOPS; limit++) {
        const hop = probeHop(fd, family, address, limit);
        hops.push(hop);
        // Behind a hop that does not answer others may; behind two of them nobody is expected.
        if (
          hop.arrived ||
          hop.unreachable ||
          (hop.address === undefined && hops.at(-2)?.address === undefined && limit > 1)
        )
          break;
      }
      return hops;
    } finally {
      closeSocket(fd);
    }
  } finally {
    closeNetns(netns);
  }
}

function probeHop(fd: number, family: Family, address: string, limit: number): Hop {
  const value = new Uint8Array([limit, 0, 0, 0]);
  if (family === 4) setSocketOption(fd, IPPROTO_IP, IP_TTL, value);
  else setSocketOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, value);
  const start = performance.now();
  send(fd, encodeEchoRequest(family, limit, makeToken(limit)), encodeSocketAddress(address, 0));
  while (performance.now() - start < TIMEOUT_MS) {
    const answer = receiveAnswer(fd, family);
    if (answer === undefined) Bun.sleepSync(1);
    else if (answer.probe === limit) {
      return { ...answer.hop, roundTrip: performance.now() - start };
    }
  }
  return { arrived: false };
}

/** The next message, with the number of the probe that it answers; undefined when none has come. */
function receiveAnswer(fd: number, family: Family): { probe: number | undefined; hop: Hop } | undefined {
  const buffer = new Uint8Array(2048);
  const sender = emptySocketAddress(family);
  let length: number;
  try {
    length = receive(fd, buffer, MSG_DONTWAIT, sender);
  } catch (error) {
    if (error instanceof KernelError && error.code === "EAGAIN") return undefined;
    throw error;
  }
  const message = decodeIcmp(family, buffer.subarray(0, length));
  const address = decodeSocketAddress(family, sender);
  if (message === undefined || message.kind === "request") return { probe: undefined, hop: { arrived: false } };
  const refusal = message.kind === "unreachable" ? ({ unreachable: true } as const) : {};
  return { probe: parseToken(message.payload), hop: { address, arrived: message.kind === "reply", ...refusal } };
}
