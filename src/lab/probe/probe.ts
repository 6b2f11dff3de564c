/**
 * Probes: real packets from one member of a lab to another, all sent and answered by this process.
 *
 * They run in batches, all of a batch at once, and no call ever waits: so a whole matrix takes milliseconds, and any
 * number of packets that never arrive cost one timeout together.
 */

import { KernelError } from "../../core/errors.ts";
import { type Family, familyOf } from "../../core/ip.ts";
import { closeSocket, connectSocket, MSG_DONTWAIT, openSocket, receive, SOCK_STREAM, send } from "../../linux/libc.ts";
import { closeNetns, inNetns, type Netns, namedNetnsPath, openNetnsIfExists } from "../../linux/netns.ts";
import { domainOf, encodeSocketAddress } from "../../linux/socket-address.ts";
import {
  type Arrivals,
  closeEndpoint,
  type Endpoint,
  openEndpoint,
  PROBE_PORT,
  SOCK_NONBLOCK,
  serve,
} from "./endpoint.ts";
import { encodeEchoRequest } from "./icmp.ts";
import { makeToken, parseToken, TOKEN_SIZE } from "./token.ts";

export const PROTOCOLS = ["icmp", "tcp", "udp"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/**
 * How long nothing may arrive anywhere until what is still missing counts as lost, in milliseconds: longer than the second
 * after which the kernel asks for a neighbour again.
 */
const QUIET_MS = 1200;
/** So many probes run at once; a third of them needs a socket each, of which a process may have 1024 and more. */
const BATCH = 600;

const IP_HEADER = { 4: 20, 6: 40 } as const;
const UDP_HEADER = 8;

export interface Probe {
  /** Members of the lab: a pod as `node/pod`, or others by name. */
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly address: string;
  /** Of the IP packet in bytes, for ICMP and UDP; as small as can be when it is absent. It is never fragmented. */
  readonly size?: number;
}

export interface ProbeOutcome {
  /** Whether the answer came back. */
  readonly reached: boolean;
  /** The source address that the target saw; undefined when nothing arrived there. */
  readonly source?: string;
  /** Why it was not reached: an errno's name where the kernel gave one at once. */
  readonly error?: string;
}

interface Running {
  readonly number: number;
  readonly probe: Probe;
  /** The connection, for TCP. */
  readonly fd?: number;
  connected?: boolean;
  outcome?: ProbeOutcome;
}

/** A member that sends and answers. */
export interface Place {
  readonly member: string;
  /** Name of its network namespace. */
  readonly netns: string;
  /** Its addresses, at most one of each family. */
  readonly addresses: readonly string[];
}

interface Endpoints {
  readonly open: ReadonlyMap<string, Endpoint>;
  /** Why a member has no sockets. */
  readonly broken: ReadonlyMap<string, string>;
}

/** Runs probes between members. What a member has lost, its namespace or an address, shows in the outcomes. */
export function runProbes(probes: readonly Probe[], places: readonly Place[]): ProbeOutcome[] {
  const open = new Map<string, Endpoint>();
  const broken = new Map<string, string>();
  const namespaces: Netns[] = [];
  try {
    for (const { member, netns: name, addresses } of places) {
      const netns = openNetnsIfExists(namedNetnsPath(name));
      if (netns !== undefined) namespaces.push(netns);
      for (const address of addresses) {
        const key = keyOf(member, familyOf(address));
        const code =
          netns === undefined ? "its namespace is gone" : codeOf(() => open.set(key, openEndpoint(netns, address)));
        if (code !== undefined) broken.set(key, code);
      }
    }
    const outcomes: ProbeOutcome[] = [];
    for (let first = 0; first < probes.length; first += BATCH) {
      outcomes.push(...runBatch(probes.slice(first, first + BATCH), first, { open, broken }));
    }
    return outcomes;
  } finally {
    for (const endpoint of open.values()) closeEndpoint(endpoint);
    for (const netns of namespaces) closeNetns(netns);
  }
}

function runBatch(probes: readonly Probe[], firstNumber: number, endpoints: Endpoints): ProbeOutcome[] {
  const arrivals: Arrivals = { requests: new Map(), answers: new Map() };
  const running = probes.map((probe, i) => start(probe, firstNumber + i, endpoints));
  let progress = -1;
  let lastProgress = 0;
  try {
    for (;;) {
      for (const endpoint of endpoints.open.values()) serve(endpoint, arrivals);
      for (const run of running) if (run.outcome === undefined) advance(run, arrivals);
      const done = running.filter(({ outcome }) => outcome !== undefined).length;
      if (done === running.length) break;
      // Counted from the last arrival, so that a busy machine takes longer but loses nothing.
      const now = done + arrivals.requests.size + arrivals.answers.size;
      if (now !== progress) lastProgress = performance.now();
      else if (performance.now() - lastProgress > QUIET_MS) break;
      progress = now;
      Bun.sleepSync(1);
    }
  } finally {
    for (const { fd } of running) if (fd !== undefined) closeSocket(fd);
  }
  return running.map(({ number, outcome }) => {
    const source = arrivals.requests.get(number);
    const seen = source === undefined ? {} : { source };
    return { ...(outcome ?? { reached: false, error: "ETIMEDOUT" }), ...seen };
  });
}

function start(probe: Probe, number: number, endpoints: Endpoints): Running {
  const { from, protocol, address } = probe;
  const family = familyOf(address);
  const key = keyOf(from, family);
  const source = endpoints.open.get(key);
  if (source === undefined) {
    return { probe, number, outcome: { reached: false, error: endpoints.broken.get(key) ?? "no address" } };
  }
  if (protocol === "tcp") {
    const fd = inNetns(source.netns, () => openSocket(domainOf(family), SOCK_STREAM | SOCK_NONBLOCK, 0));
    return { probe, number, fd };
  }
  const token = padded(makeToken(number), probe);
  const sent = codeOf(() => {
    if (protocol === "udp") send(source.udpClient, token, encodeSocketAddress(address, PROBE_PORT));
    else send(source.icmp, encodeEchoRequest(family, (number % 0xffff) + 1, token), encodeSocketAddress(address, 0));
  });
  return { probe, number, ...(sent === undefined ? {} : { outcome: { reached: false, error: sent } }) };
}

/** The payload that makes an IP packet of the wanted size: a UDP header has as many bytes as one of ICMP. */
function padded(token: Uint8Array, { address, size }: Probe): Uint8Array {
  if (size === undefined) return token;
  const payload = new Uint8Array(size - IP_HEADER[familyOf(address)] - UDP_HEADER);
  payload.set(token);
  return payload;
}

function advance(run: Running, arrivals: Arrivals): void {
  if (run.fd !== undefined) {
    advanceTcp(run, run.fd);
    return;
  }
  const from = arrivals.answers.get(run.number);
  if (from === undefined) return;
  // An answer under another address is one that a real client would drop.
  run.outcome = from === run.probe.address ? { reached: true } : { reached: false, error: `answered by ${from}` };
}

/** A connection is made, the token goes there and comes back. */
function advanceTcp(run: Running, fd: number): void {
  if (!run.connected) {
    const code = codeOf(() => connectSocket(fd, encodeSocketAddress(run.probe.address, PROBE_PORT)));
    if (code === "EINPROGRESS" || code === "EALREADY") return;
    if (code !== undefined && code !== "EISCONN") {
      run.outcome = { reached: false, error: code };
      return;
    }
    run.connected = true;
    const failed = codeOf(() => send(fd, makeToken(run.number)));
    if (failed !== undefined) run.outcome = { reached: false, error: failed };
    return;
  }
  const buffer = new Uint8Array(TOKEN_SIZE);
  const code = codeOf(() => receive(fd, buffer, MSG_DONTWAIT));
  if (code === "EAGAIN") return;
  const echoed = code === undefined && parseToken(buffer) === run.number;
  run.outcome = echoed ? { reached: true } : { reached: false, error: code ?? "ECONNRESET" };
}

/** The errno's name of a call that failed. */
function codeOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    if (error instanceof KernelError) return error.code;
    throw error;
  }
}

function keyOf(member: string, family: Family): string {
  return `${member}/IPv${family}`;
}
