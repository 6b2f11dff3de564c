/**
 * A netlink socket: requests with acknowledgements, several in one send, and dumps.
 *
 * The kernel handles a request within send(2), so the answer is there when send returns; the receive timeout is only
 * for a kernel that breaks this, so that nothing ever hangs.
 * @see netlink(7)
 */

import { DecodeError } from "../../core/errors.ts";
import {
  AF_NETLINK,
  closeSocket,
  interfaceIndex,
  MSG_TRUNC,
  openSocket,
  receive,
  SO_RCVBUFFORCE,
  SO_RCVTIMEO,
  SO_SNDBUFFORCE,
  SOCK_RAW,
  SOL_SOCKET,
  send,
  setSocketOption,
  setSocketTimeout,
} from "../libc.ts";
import { decodeAck, decodeDumpEnd, NetlinkError } from "./error.ts";
import {
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  readMessages,
  writeMessage,
} from "./message.ts";
import { encode, u32, Writer } from "./wire.ts";

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

export type NetlinkProtocol = typeof NETLINK_ROUTE | typeof NETLINK_NETFILTER;

export const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

const TIMEOUT_MS = 10_000;
/**
 * What is being received, by whichever socket: what is kept of it is copied. The kernel makes a dump's datagrams no
 * larger than this. @see net/netlink/af_netlink.c netlink_dump
 */
const received = new Uint8Array(32 * 1024);
/** So many acknowledgements fit into the default receive buffer with room to spare. */
const MAX_PENDING = 64;
/** A send this long fits into the default send buffer, whose default is 208 KiB, with room to spare. */
const MAX_POSTED = 64 * 1024;
/** What one acknowledgement takes of the receive buffer: the bytes and the kernel's management of them. */
const ACK_SIZE = 2048;
/** How often a dump that the kernel reports as interrupted is taken again. */
const DUMP_ATTEMPTS = 20;

type Settled = (error: NetlinkError | undefined) => void;

/** A message and its reader's copy of the payload. */
export interface Reply {
  readonly type: number;
  readonly payload: Uint8Array;
}

export class NetlinkSocket {
  readonly #fd: number;
  readonly #out = new Writer();
  #sequence = 0;
  #isBroken = false;
  #pending: { readonly request: NetlinkRequest; readonly sequence: number; readonly settled: Settled }[] = [];

  /** Opens a socket of a protocol in the network namespace that this thread is in, where it stays. */
  constructor(protocol: NetlinkProtocol) {
    this.#fd = openSocket(AF_NETLINK, SOCK_RAW, protocol);
    const on = new Uint8Array([1, 0, 0, 0]);
    setSocketOption(this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, on);
    setSocketOption(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, on);
    if (protocol === NETLINK_ROUTE) setSocketOption(this.#fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, on);
    setSocketTimeout(this.#fd, SO_RCVTIMEO, TIMEOUT_MS);
  }

  close(): void {
    closeSocket(this.#fd);
  }

  /** Whether the next request has nothing to do with those before: none waits to be sent, and none has gone wrong. */
  get isAtRest(): boolean {
    return !this.#isBroken && this.#pending.length === 0;
  }

  /** Puts a request into the next send; `settled` hears of its outcome, which may be a throw of its own. */
  post(request: NetlinkRequest, settled: Settled): void {
    const sequence = this.#next();
    writeMessage(this.#out, request, NLM_F_REQUEST | NLM_F_ACK, sequence);
    this.#pending.push({ request, sequence, settled });
    if (this.#pending.length >= MAX_PENDING || this.#out.length >= MAX_POSTED) this.flush();
  }

  /**
   * Sends what has been posted in one datagram and settles each request in order; then throws what one of them threw
   * first. All answers are read before the first is settled, so `settled` may use the socket.
   */
  flush(): void {
    const pending = this.#pending;
    if (pending.length === 0) return;
    this.#pending = [];
    this.#send();
    const outcomes: (NetlinkError | undefined)[] = [];
    // The kernel acknowledges in order, one in a datagram; but nothing says that there are no more in it.
    while (outcomes.length < pending.length) {
      for (const answer of this.#receive()) {
        const next = pending[outcomes.length];
        if (answer.sequence !== next?.sequence || answer.type !== NLMSG_ERROR) continue;
        outcomes.push(decodeAck(next.request, answer));
      }
    }
    let failure: { readonly error: unknown } | undefined;
    for (const { settled } of pending) {
      try {
        settled(outcomes.shift());
      } catch (thrown) {
        failure ??= { error: thrown };
      }
    }
    if (failure !== undefined) throw failure.error;
  }

  /** Sends one request and waits for its acknowledgement. Throws NetlinkError. */
  execute(request: NetlinkRequest): void {
    this.post(request, (error) => {
      if (error !== undefined) throw error;
    });
    this.flush();
  }

  /** The index of a link in this socket's namespace, or undefined: without netlink, whose whole answer is 1.5 KB. */
  linkIndex(name: string): number | undefined {
    this.flush();
    return interfaceIndex(this.#fd, name);
  }

  /** Asks for one object. Throws NetlinkError, `ENODEV` or `ENOENT` where there is none. */
  get(request: NetlinkRequest): Reply {
    this.flush();
    const sequence = this.#next();
    writeMessage(this.#out, request, NLM_F_REQUEST, sequence);
    this.#send();
    for (;;) {
      for (const answer of this.#receive()) {
        if (answer.sequence !== sequence) continue;
        if (answer.type === NLMSG_ERROR) throw decodeAck(request, answer) ?? unexpectedAck(request);
        return { type: answer.type, payload: answer.payload.slice() };
      }
    }
  }

  /** Asks for one object of which the kernel may say nothing at all: undefined then. Throws NetlinkError. */
  find(request: NetlinkRequest): Reply | undefined {
    this.flush();
    const sequence = this.#next();
    writeMessage(this.#out, request, NLM_F_REQUEST | NLM_F_ACK, sequence);
    this.#send();
    let found: Reply | undefined;
    for (;;) {
      for (const answer of this.#receive()) {
        if (answer.sequence !== sequence) continue;
        if (answer.type !== NLMSG_ERROR) {
          found = { type: answer.type, payload: answer.payload.slice() };
          continue;
        }
        const error = decodeAck(request, answer);
        if (error !== undefined) throw error;
        return found;
      }
    }
  }

  /**
   * Asks for all objects that match. A dump during which they changed may miss some of them: the kernel says so, and
   * the dump is taken again. Throws NetlinkError; `EINTR` when they never stop changing.
   */
  dump(request: NetlinkRequest): Reply[] {
    this.flush();
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const replies = this.#dumpOnce(request);
      if (replies !== undefined) return replies;
    }
    throw new NetlinkError(request.operation, "EINTR", { message: `interrupted ${DUMP_ATTEMPTS} times by changes` });
  }

  /**
   * The same for dumps of which the kernel does not tell whether they were interrupted: undefined when the answer came
   * in several parts, between which objects may have changed.
   */
  dumpInOnePart(request: NetlinkRequest): Reply[] | undefined {
    this.flush();
    return this.#dumpOnce(request, 1);
  }

  #dumpOnce(request: NetlinkRequest, maxParts = Number.POSITIVE_INFINITY): Reply[] | undefined {
    const sequence = this.#next();
    writeMessage(this.#out, request, NLM_F_REQUEST | NLM_F_DUMP, sequence);
    this.#send();
    const replies: Reply[] = [];
    let interrupted = false;
    for (let part = 1; ; part++) {
      for (const answer of this.#receive()) {
        if (answer.sequence !== sequence) continue;
        if (part > maxParts && answer.type !== NLMSG_DONE) interrupted = true;
        if ((answer.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (answer.type === NLMSG_DONE || answer.type === NLMSG_ERROR) {
          const decodeEnd = answer.type === NLMSG_DONE ? decodeDumpEnd : decodeAck;
          const error = decodeEnd(request, answer);
          if (error?.code === "EINTR") interrupted = true;
          else if (error !== undefined) throw error;
          return interrupted ? undefined : replies;
        }
        replies.push({ type: answer.type, payload: answer.payload.slice() });
      }
    }
  }

  /**
   * Sends requests as one datagram that the kernel takes as a whole, acknowledging the one at `last`, and returns the
   * errors of those that it refused. An error of the first ends the wait: the kernel then looks at none of the others.
   */
  transact(requests: readonly NetlinkRequest[], last: number): NetlinkError[] {
    this.flush();
    const first = this.#sequence + 1;
    for (const [i, request] of requests.entries()) {
      writeMessage(this.#out, request, i === last ? NLM_F_REQUEST | NLM_F_ACK : NLM_F_REQUEST, this.#next());
    }
    if (requests.length > MAX_PENDING) this.#setBuffer(SO_RCVBUFFORCE, requests.length * ACK_SIZE);
    this.#send();
    const errors: NetlinkError[] = [];
    for (;;) {
      for (const answer of this.#receive()) {
        const index = answer.sequence - first;
        const request = requests[index];
        if (request === undefined || answer.type !== NLMSG_ERROR) continue;
        const error = decodeAck(request, answer);
        if (error !== undefined) errors.push(error);
        if (index === last || (error !== undefined && index === 0)) return errors;
      }
    }
  }

  #setBuffer(option: typeof SO_RCVBUFFORCE | typeof SO_SNDBUFFORCE, size: number): void {
    setSocketOption(this.#fd, SOL_SOCKET, option, encode(u32, Math.max(size, 256 * 1024)));
  }

  #next(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }

  #send(): void {
    try {
      if (this.#out.length > 2 * MAX_POSTED) this.#setBuffer(SO_SNDBUFFORCE, this.#out.length);
      send(this.#fd, this.#out.written());
    } catch (error) {
      this.#isBroken = true;
      throw error;
    } finally {
      this.#out.clear();
    }
  }

  #receive(): NetlinkMessage[] {
    try {
      const length = receive(this.#fd, received, MSG_TRUNC);
      if (length > received.length) throw new DecodeError(`A netlink datagram of ${length} bytes was cut`);
      return readMessages(received.subarray(0, length));
    } catch (error) {
      // Answers may be lost, or may come later.
      this.#isBroken = true;
      throw error;
    }
  }
}

function unexpectedAck(request: NetlinkRequest): DecodeError {
  return new DecodeError(`The kernel acknowledged without an answer: ${request.operation}`);
}
