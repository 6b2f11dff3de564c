/**
 * A flow: requests by UDP and one TCP connection between two namespaces, sent at an even pace for as long as it is
 * wanted, so that what is lost while the network is disturbed can be counted. Both ends are in one process.
 */

import { KernelError, TendrilError } from "../../core/errors.ts";
import { type Family, familyOf } from "../../core/ip.ts";
import {
  acceptSocket,
  bindSocket,
  closeSocket,
  connectSocket,
  listenSocket,
  MSG_DONTWAIT,
  openSocket,
  receive,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  send,
  setSocketOption,
} from "../../linux/libc.ts";
import { closeNetns, inNetns, namedNetnsPath, openNetns } from "../../linux/netns.ts";
import { domainOf, emptySocketAddress, encodeSocketAddress } from "../../linux/socket-address.ts";
import { SOCK_NONBLOCK } from "./endpoint.ts";
import type { StreamEnds } from "./stream.ts";
import { makeToken, parseToken, TOKEN_SIZE } from "./token.ts";

const PORT = 17119;
/** Milliseconds between two requests: 200 in a second. */
const PACE_MS = 5;
/** How long to wait at the end for what is still on its way, in milliseconds. */
const STRAGGLERS_MS = 500;
/** How long the first answers may take, in milliseconds. */
const FIRST_MS = 5_000;
const BUFFER_SIZE = 65536;

/** What became of a flow. */
export interface FlowFigure {
  readonly milliseconds: number;
  /** By UDP: each asks for an answer. */
  readonly requests: {
    readonly sent: number;
    readonly answered: number;
    /** When those were sent that got no answer, in milliseconds since the start; the first ones only. */
    readonly lostAt: readonly number[];
  };
  /** By TCP: each comes back on the same connection, in order. */
  readonly stream: {
    readonly sent: number;
    readonly echoed: number;
    /** The longest time without an echo, in milliseconds. */
    readonly longestWait: number;
    readonly error?: string;
  };
}

interface Ends {
  readonly family: Family;
  readonly target: Uint8Array;
  readonly udpServer: number;
  readonly udpClient: number;
  readonly listener: number;
  readonly tcpClient: number;
  tcpServer: number | undefined;
}

/**
 * Runs a flow until `ended`: says by `ready` when the first answers have come. Throws TendrilError when none come, and
 * KernelError when the address is not the namespace's.
 */
export async function runFlow(ends: StreamEnds, ready: () => void, ended: Promise<unknown>): Promise<FlowFigure> {
  const sockets = openEnds(ends);
  const flow = new Traffic(sockets);
  try {
    let stop = false;
    void ended.then(() => {
      stop = true;
    });
    await flow.pace(() => flow.hasAnswers || flow.elapsed > FIRST_MS);
    if (!flow.hasAnswers)
      throw new TendrilError(`Nothing comes back from ${ends.address}: ${flow.error ?? "no answer"}`);
    ready();
    await flow.pace(() => stop);
    return await flow.finish();
  } finally {
    const { udpServer, udpClient, listener, tcpClient, tcpServer } = sockets;
    for (const fd of [udpServer, udpClient, listener, tcpClient]) closeSocket(fd);
    if (tcpServer !== undefined) closeSocket(tcpServer);
  }
}

class Traffic {
  readonly #ends: Ends;
  readonly #start = performance.now();
  readonly #sentAt: number[] = [];
  readonly #answered = new Set<number>();
  /** Echoes in bytes: all that goes into the connection comes out again. */
  #streamSent = 0;
  #streamEchoed = 0;
  #lastEcho = 0;
  #longestWait = 0;
  #connected = false;
  error: string | undefined;

  constructor(ends: Ends) {
    this.#ends = ends;
  }

  get elapsed(): number {
    return performance.now() - this.#start;
  }

  get hasAnswers(): boolean {
    return this.#answered.size > 0 && this.#streamEchoed > 0;
  }

  /** Sends at an even pace until it is to end; what a busy machine has made it miss it does not make up for. */
  async pace(ends: () => boolean): Promise<void> {
    let due = performance.now();
    while (!ends()) {
      this.#request();
      this.#write();
      this.#serve();
      due = Math.max(due + PACE_MS, performance.now());
      await Bun.sleep(due - performance.now());
    }
  }

  async finish(): Promise<FlowFigure> {
    const milliseconds = this.elapsed;
    const deadline = performance.now() + STRAGGLERS_MS;
    while (performance.now() < deadline && !this.#isComplete()) {
      this.#serve();
      await Bun.sleep(1);
    }
    if (this.#streamEchoed < this.#streamSent) this.#noteWait();
    const lostAt = this.#sentAt.filter((_, i) => !this.#answered.has(i)).slice(0, 10);
    return {
      milliseconds,
      requests: { sent: this.#sentAt.length, answered: this.#answered.size, lostAt },
      stream: {
        sent: this.#streamSent / TOKEN_SIZE,
        echoed: Math.floor(this.#streamEchoed / TOKEN_SIZE),
        longestWait: this.#longestWait,
        ...(this.error === undefined ? {} : { error: this.error }),
      },
    };
  }

  #isComplete(): boolean {
    return this.#answered.size === this.#sentAt.length && this.#streamEchoed >= this.#streamSent;
  }

  #request(): void {
    const number = this.#sentAt.push(this.elapsed) - 1;
    // What cannot be sent gets no answer, and is counted so.
    attempt(() => send(this.#ends.udpClient, makeToken(number), this.#ends.target));
  }

  #write(): void {
    const { tcpClient, target } = this.#ends;
    if (this.error !== undefined) return;
    if (!this.#connected) {
      const code = attempt(() => connectSocket(tcpClient, target)).code;
      if (code === "EINPROGRESS" || code === "EALREADY") return;
      if (code !== undefined && code !== "EISCONN") {
        this.error = code;
        return;
      }
      this.#connected = true;
      this.#lastEcho = this.elapsed;
    }
    const { value, code } = attempt(() => send(tcpClient, makeToken(this.#streamSent / TOKEN_SIZE)));
    if (code !== undefined && code !== "EAGAIN") this.error = code;
    this.#streamSent += value ?? 0;
  }

  #serve(): void {
    const { udpServer, udpClient, family } = this.#ends;
    const from = emptySocketAddress(family);
    for (const bytes of drain(udpServer, from)) attempt(() => send(udpServer, bytes, from));
    for (const bytes of drain(udpClient, from)) {
      const number = parseToken(bytes);
      if (number !== undefined) this.#answered.add(number);
    }
    this.#serveStream();
  }

  #serveStream(): void {
    const ends = this.#ends;
    ends.tcpServer ??= attempt(() => acceptSocket(ends.listener)).value;
    const server = ends.tcpServer;
    if (server !== undefined) {
      for (const bytes of drain(server)) attempt(() => send(server, bytes));
    }
    if (!this.#connected) return;
    for (const bytes of drain(ends.tcpClient)) {
      this.#streamEchoed += bytes.length;
      this.#noteWait();
      this.#lastEcho = this.elapsed;
    }
  }

  #noteWait(): void {
    this.#longestWait = Math.max(this.#longestWait, this.elapsed - this.#lastEcho);
  }
}

function openEnds({ from, to, address }: StreamEnds): Ends {
  const family = familyOf(address);
  const domain = domainOf(family);
  const target = encodeSocketAddress(address, PORT);
  const opened: number[] = [];
  const open = (type: number) => {
    const fd = openSocket(domain, type | SOCK_NONBLOCK, 0);
    opened.push(fd);
    return fd;
  };
  try {
    const server = within(to, () => {
      const listener = open(SOCK_STREAM);
      setSocketOption(listener, SOL_SOCKET, SO_REUSEADDR, new Uint8Array([1, 0, 0, 0]));
      bindSocket(listener, target);
      listenSocket(listener, 1);
      const udpServer = open(SOCK_DGRAM);
      bindSocket(udpServer, target);
      return { listener, udpServer };
    });
    const client = within(from, () => ({ udpClient: open(SOCK_DGRAM), tcpClient: open(SOCK_STREAM) }));
    return { family, target, ...server, ...client, tcpServer: undefined };
  } catch (error) {
    for (const fd of opened) closeSocket(fd);
    throw error;
  }
}

function within<T>(netnsName: string, work: () => T): T {
  const netns = openNetns(namedNetnsPath(netnsName));
  try {
    return inNetns(netns, work);
  } finally {
    closeNetns(netns);
  }
}

function* drain(fd: number, from?: Uint8Array): Generator<Uint8Array> {
  const buffer = new Uint8Array(BUFFER_SIZE);
  for (;;) {
    const { value } = attempt(() => receive(fd, buffer, MSG_DONTWAIT, from));
    // Nothing is there, or the other end has closed.
    if (value === undefined || value === 0) return;
    yield buffer.slice(0, value);
  }
}

/** What a system call returns, or the errno's name of one that failed. */
function attempt<T>(call: () => T): { readonly value?: T; readonly code?: string } {
  try {
    return { value: call() };
  } catch (error) {
    if (error instanceof KernelError) return { code: error.code };
    throw error;
  }
}

/** A flow in a process of its own, which ends with the block that uses it unless it was stopped before. */
export interface Flow extends AsyncDisposable {
  /** Ends it and tells what became of it. Throws TendrilError when the process has failed. */
  stop(): Promise<FlowFigure>;
}

/**
 * Starts a flow in a process of this program, which `self` starts: its words are followed by `flow NETNS NETNS ADDRESS`.
 * Returns once the first answers have come. Throws TendrilError when none come.
 */
export async function startFlow({ from, to, address }: StreamEnds, self: readonly string[]): Promise<Flow> {
  const child = Bun.spawn([...self, "flow", from, to, address], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  const reader = child.stdout.getReader();
  let said = "";
  const read = async () => {
    const { value } = await reader.read();
    said += value === undefined ? "" : new TextDecoder().decode(value);
    return value !== undefined;
  };
  const failure = async () => {
    child.kill();
    const words = (await new Response(child.stderr).text()).trim();
    await child.exited;
    return new TendrilError(`The flow from "${from}" to ${address} failed: ${words}`);
  };
  while (!said.startsWith("ready\n")) if (!(await read())) throw await failure();
  return {
    async stop() {
      child.stdin.end();
      while (await read());
      if ((await child.exited) !== 0) throw await failure();
      return JSON.parse(said.slice("ready\n".length)) as FlowFigure;
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}
