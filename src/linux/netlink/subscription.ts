/**
 * Notifications: what the kernel tells to a multicast group, such as every link that appears or goes.
 *
 * The runtime offers no way to wait for a foreign descriptor, but it takes one as that of a connected socket
 * (`Bun.connect({ fd })`). Its event loop then waits by epoll and receives datagram by datagram into a buffer of 512 KiB,
 * of which nothing the kernel sends is cut. It does not mind that the socket is of netlink. Measured against the ways not
 * taken, with 100 subscriptions in one process: idle, they cost no CPU time beyond that of the empty process and no
 * thread. A read in the thread pool (`fs.read`) occupies one of its threads, of which there are as many as processors, so
 * two subscriptions would stop all other file work, and nothing wakes such a read when its descriptor is closed.
 * `Bun.file(fd).stream()` waits by epoll too, but reads into what is left of a smaller buffer, which may cut a datagram.
 * @see netlink(7) "Multicast groups"
 */

import { KernelError } from "../../core/errors.ts";
import { fileErrorCode } from "../file.ts";
import {
  AF_NETLINK,
  bindSocket,
  closeSocket,
  openSocket,
  SO_RCVBUFFORCE,
  SOCK_RAW,
  SOL_SOCKET,
  setSocketOption,
} from "../libc.ts";
import { closeNetns, inNetns, openCurrentNetns } from "../netns.ts";
import { NLMSG_MIN_TYPE, readMessages } from "./message.ts";
import { NETLINK_ROUTE, type NetlinkProtocol, SOL_NETLINK } from "./socket.ts";
import { encode, u16, u32, Writer } from "./wire.ts";

/** Groups of NETLINK_ROUTE. @see linux/rtnetlink.h enum rtnetlink_groups */
export const RTNLGRP_LINK = 1;
export const RTNLGRP_NEIGH = 3;
export const RTNLGRP_TC = 4;
export const RTNLGRP_IPV4_IFADDR = 5;
export const RTNLGRP_IPV4_ROUTE = 7;
export const RTNLGRP_IPV4_RULE = 8;
export const RTNLGRP_IPV6_IFADDR = 9;
export const RTNLGRP_IPV6_ROUTE = 11;
export const RTNLGRP_IPV6_RULE = 19;
export const RTNLGRP_NSID = 28;

/** A group of NETLINK_NETFILTER. @see linux/netfilter/nfnetlink.h enum nfnetlink_groups */
export const NFNLGRP_NFTABLES = 7;

const NETLINK_ADD_MEMBERSHIP = 1;

/** What a burst of some thousand links needs until this thread gets to it; memory is used only while it is needed. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;
/** A consumer that is further behind than this gains nothing from the rest. */
const MAX_QUEUED = 65_536;

/** One message of a group; or that some were lost, so that one has to list anew what one watches. */
export type Notification =
  | { readonly lost: false; readonly type: number; readonly payload: Uint8Array }
  | { readonly lost: true };

export interface Subscription extends AsyncIterableIterator<Notification, undefined> {
  /** Ends the iteration at once, also one that waits, and gives back the socket. */
  close(): void;
}

export interface SubscribeOptions {
  /** Bytes that the kernel keeps for us before it starts to drop messages. */
  readonly receiveBuffer?: number;
  /** Messages that are kept for the consumer before they count as lost. */
  readonly maxQueued?: number;
}

/**
 * Subscribes to groups of a protocol in the network namespace that this thread is in. What happens after this function
 * returns is not missed, so a watcher subscribes first and lists then. Messages are in the kernel's order. The iteration
 * fails with KernelError or DecodeError. Throws KernelError when the kernel has no such group.
 */
export function subscribe(
  groups: readonly number[],
  protocol: NetlinkProtocol = NETLINK_ROUTE,
  { receiveBuffer = RECEIVE_BUFFER, maxQueued = MAX_QUEUED }: SubscribeOptions = {},
): Subscription {
  const netns = openCurrentNetns();
  let queue: Notification[] = [];
  const waiting: PromiseWithResolvers<IteratorResult<Notification, undefined>>[] = [];
  let socket: Bun.Socket | undefined;
  let ended = false;
  let failure: { readonly error: unknown } | undefined;

  function push(notification: Notification): void {
    const next = waiting.shift();
    if (next !== undefined) next.resolve({ done: false, value: notification });
    else if (queue.length < maxQueued) queue.push(notification);
    else queue = [{ lost: true }];
  }

  function end(): void {
    if (ended) return;
    ended = true;
    socket?.terminate();
    closeNetns(netns);
    const first = failure === undefined ? undefined : waiting.shift();
    if (first !== undefined) {
      first.reject(failure?.error);
      failure = undefined;
    }
    for (const next of waiting.splice(0)) next.resolve({ done: true, value: undefined });
  }

  function fail(error: unknown): void {
    if (ended) return;
    failure = { error };
    end();
  }

  function receive(datagram: Uint8Array): void {
    try {
      for (const { type, payload } of readMessages(datagram)) {
        if (type >= NLMSG_MIN_TYPE) push({ lost: false, type, payload });
      }
    } catch (error) {
      fail(error);
    }
  }

  /** The runtime closes a socket that cannot be read. After an overrun a new one takes its place. */
  function closed(error: unknown): void {
    if (ended) return;
    const code = fileErrorCode(error) ?? "EIO";
    if (code !== "ENOBUFS") {
      fail(new KernelError(`Cannot receive notifications: ${code}`, code, { cause: error }));
      return;
    }
    try {
      // A new socket rather than the old one: what still lies there is older than what the consumer is going to list.
      attach(inNetns(netns, () => openMember(groups, protocol, receiveBuffer)));
      push({ lost: true });
    } catch (cause) {
      fail(cause);
    }
  }

  function attach(fd: number): void {
    const options: Bun.FdSocketOptions = {
      fd,
      socket: {
        open(opened) {
          socket = opened;
          if (ended) opened.terminate();
        },
        data: (_, datagram) => receive(datagram),
        close: (_, error) => closed(error),
      },
    };
    // The declaration of this function lacks the variant with a descriptor.
    Bun.connect(options as unknown as Bun.UnixSocketOptions).catch(fail);
  }

  try {
    attach(openMember(groups, protocol, receiveBuffer));
  } catch (error) {
    closeNetns(netns);
    throw error;
  }

  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const value = queue.shift();
      if (value !== undefined) return { done: false, value };
      if (failure !== undefined) {
        const { error } = failure;
        failure = undefined;
        throw error;
      }
      if (ended) return { done: true, value: undefined };
      const next = Promise.withResolvers<IteratorResult<Notification, undefined>>();
      waiting.push(next);
      return next.promise;
    },
    async return() {
      this.close();
      return { done: true, value: undefined };
    },
    close() {
      queue = [];
      failure = undefined;
      end();
    },
  };
}

/** A socket that hears the groups. */
function openMember(groups: readonly number[], protocol: NetlinkProtocol, receiveBuffer: number): number {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, protocol);
  try {
    setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, encode(u32, receiveBuffer));
    // The kernel passes over sockets without an address; and binding clears memberships, so it comes first.
    bindSocket(fd, netlinkAddress());
    for (const group of groups) {
      setSocketOption(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, encode(u32, group));
    }
    return fd;
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
}

/** struct sockaddr_nl with an address of the kernel's choice. @see netlink(7) */
function netlinkAddress(): Uint8Array {
  const out = new Writer();
  u16.write(out, AF_NETLINK);
  out.reserve(10);
  return out.written();
}
