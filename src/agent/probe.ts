/**
 * Whether packets get from this node's pods' network to another's: small ones and full-size ones, by UDP, which must not
 * be cut on the way, and by TCP.
 *
 * That a port is closed is as good an answer: then the other node's agent is away, and the way is fine.
 */

import { type Family, familyOf } from "../core/ip.ts";
import {
  bindSocket,
  closeSocket,
  connectSocket,
  MSG_DONTWAIT,
  openSocket,
  receive,
  SOCK_DGRAM,
  SystemCallError,
  send,
  setSocketOption,
} from "../linux/libc.ts";
import { domainOf, encodeSocketAddress } from "../linux/socket-address.ts";
import { PROBE_PORT } from "./echo.ts";

/** What came through. */
export interface ProbeResult {
  readonly small: boolean;
  readonly full: boolean;
  readonly tcp: boolean;
}

export interface ProbeTarget {
  /** Addresses of the two ends. */
  readonly from: string;
  readonly to: string;
  /** Bytes of the longest packet. */
  readonly mtu: number;
}

/** IP_MTU_DISCOVER and IPV6_MTU_DISCOVER: never cut, and do not go by what is thought to be the way's MTU. @see ip(7) */
const DISCOVER = { 4: [0, 10], 6: [41, 23] } as const;
const PMTUDISC_PROBE = new Uint8Array([3, 0, 0, 0]);

/** In bytes: the headers of IP and UDP. */
const HEADERS: Readonly<Record<Family, number>> = { 4: 28, 6: 48 };
const SMALL = 32;

const TRIES = 3;
/** Milliseconds to wait for an answer, and between two looks for it. */
const PATIENCE = 500;
const PERIOD = 10;

/** Sends probes and waits for what comes back. Throws SystemCallError where nothing can be sent at all. */
export async function probe({ from, to, mtu }: ProbeTarget): Promise<ProbeResult> {
  const family = familyOf(to);
  const small = await answeredByUdp(from, to, SMALL);
  const full = small && (await answeredByUdp(from, to, mtu - HEADERS[family]));
  const tcp = small && (await answeredByTcp(to, 4 * mtu));
  return { small, full, tcp };
}

async function answeredByUdp(from: string, to: string, size: number): Promise<boolean> {
  const family = familyOf(to);
  const socket = openSocket(domainOf(family), SOCK_DGRAM, 0);
  try {
    const [level, option] = DISCOVER[family];
    setSocketOption(socket, level, option, PMTUDISC_PROBE);
    bindSocket(socket, encodeSocketAddress(from, 0));
    connectSocket(socket, encodeSocketAddress(to, PROBE_PORT));
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const outcome = await exchange(socket, filled(size));
      if (outcome !== undefined) return outcome;
    }
    return false;
  } finally {
    closeSocket(socket);
  }
}

/** Undefined when no answer came in time. */
async function exchange(socket: number, bytes: Uint8Array): Promise<boolean | undefined> {
  const answer = new Uint8Array(bytes.length);
  try {
    send(socket, bytes);
    for (let waited = 0; waited < PATIENCE; waited += PERIOD) {
      await Bun.sleep(PERIOD);
      const length = receiveIfThere(socket, answer);
      if (length === bytes.length) return true;
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    if (error.code === "ECONNREFUSED") return true;
    if (["EMSGSIZE", "EHOSTUNREACH", "ENETUNREACH", "EPERM"].includes(error.code)) return false;
    throw error;
  }
}

function receiveIfThere(socket: number, buffer: Uint8Array): number | undefined {
  try {
    return receive(socket, buffer, MSG_DONTWAIT);
  } catch (error) {
    if (error instanceof SystemCallError && error.code === "EAGAIN") return undefined;
    throw error;
  }
}

async function answeredByTcp(to: string, size: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let left = size;
  const timer = setTimeout(() => resolve(false), TRIES * PATIENCE);
  try {
    const socket = await Bun.connect({
      hostname: to,
      port: PROBE_PORT,
      socket: {
        open: (opened) => void opened.write(filled(size)),
        data(_, data) {
          left -= data.length;
          if (left <= 0) resolve(true);
        },
        close: () => resolve(left <= 0),
        error: () => resolve(false),
        connectError: (_, error) => resolve((error as { code?: string }).code === "ECONNREFUSED"),
      },
    });
    const isThrough = await promise;
    socket.terminate();
    return isThrough;
  } catch (error) {
    return (error as { code?: string }).code === "ECONNREFUSED";
  } finally {
    clearTimeout(timer);
  }
}

function filled(size: number): Uint8Array {
  return new Uint8Array(size).fill(0x54);
}
