/** What the kernel remembers of an address whose pod is gone: tracked connections and neighbour entries. */

import { familyOf } from "../core/ip.ts";
import { AF_INET, AF_INET6 } from "../linux/libc.ts";
import { deleteFlows, listFlowsOf } from "../linux/netlink/conntrack.ts";
import { NetlinkError } from "../linux/netlink/error.ts";
import { deleteNeighbour, listNeighbours } from "../linux/netlink/rtnetlink/neighbour.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from "../linux/netlink/socket.ts";

/** Flushes addresses in the namespace in which it was made. */
export interface AddressFlusher {
  /** Throws NetlinkError. */
  flush(addresses: readonly string[]): void;
  close(): void;
}

/**
 * Makes a flusher that keeps its sockets. Flushed are the connections of any protocol that an address has a part in,
 * translated or not, so that the next pod's first packet is a first packet, and its neighbour entries on all links.
 */
export function addressFlusher(): AddressFlusher {
  const route = new NetlinkSocket(NETLINK_ROUTE);
  const netfilter = new NetlinkSocket(NETLINK_NETFILTER);
  return {
    flush(addresses) {
      if (addresses.length === 0) return;
      flushFlows(netfilter, addresses);
      flushNeighbours(route, addresses);
    },
    close() {
      route.close();
      netfilter.close();
    },
  };
}

/** Milliseconds in which addresses are gathered that are flushed together. */
const GATHERING = 250;

/**
 * Flushes many addresses together. To find what the kernel tracks of one it has to be asked for all of its table, some
 * 10 ms whatever is in it; and what is remembered of an address does harm only once somebody else has it.
 */
export class LateFlusher {
  readonly #flusher: AddressFlusher;
  readonly #failed: (error: unknown, addresses: readonly string[]) => void;
  readonly #waiting = new Set<string>();
  #timer: Timer | undefined;

  constructor(flusher: AddressFlusher, failed: (error: unknown, addresses: readonly string[]) => void) {
    this.#flusher = flusher;
    this.#failed = failed;
  }

  /** Has addresses flushed soon. */
  note(addresses: readonly string[]): void {
    for (const address of addresses) this.#waiting.add(address);
    this.#timer ??= setTimeout(() => this.#flush(), GATHERING);
  }

  /** Has addresses flushed by now, if they were to be. */
  require(addresses: readonly string[]): void {
    if (addresses.some((address) => this.#waiting.has(address))) this.#flush();
  }

  /** Flushes what is left. */
  close(): void {
    this.#flush();
    this.#flusher.close();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const addresses = [...this.#waiting];
    this.#waiting.clear();
    try {
      this.#flusher.flush(addresses);
    } catch (error) {
      this.#failed(error, addresses);
    }
  }
}

/** Flushes one address in the namespace that the thread is in. Throws NetlinkError. */
export function flushAddress(address: string): void {
  const flusher = addressFlusher();
  try {
    flusher.flush([address]);
  } finally {
    flusher.close();
  }
}

function flushFlows(socket: NetlinkSocket, addresses: readonly string[]): void {
  try {
    deleteFlows(socket, listFlowsOf(socket, addresses));
  } catch (error) {
    // A kernel without CONFIG_NF_CT_NETLINK tracks no connection that anybody could know of.
    if (!(error instanceof NetlinkError && error.code === "EINVAL")) throw error;
  }
}

function flushNeighbours(socket: NetlinkSocket, addresses: readonly string[]): void {
  for (const family of new Set(addresses.map((address) => (familyOf(address) === 4 ? AF_INET : AF_INET6)))) {
    for (const { destination, index } of listNeighbours(socket, family)) {
      if (destination === undefined || !addresses.includes(destination)) continue;
      socket.post(deleteNeighbour({ index, ip: destination }), (error) => {
        // Gone by itself, or with its link.
        if (error instanceof NetlinkError && error.code !== "ENOENT" && error.code !== "ENODEV") throw error;
      });
    }
  }
  socket.flush();
}
