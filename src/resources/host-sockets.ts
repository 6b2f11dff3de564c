/**
 * Sockets of the host that stay open between the calls of a process that serves many.
 *
 * To open one costs little. To close one does: the kernel ends the connection of a netfilter socket only when all that
 * its transactions have deleted is freed, after a wait for its readers of some 10 ms.
 * @see net/netfilter/nf_tables_api.c nft_rcv_nl_event
 */

import { type NetlinkProtocol, NetlinkSocket } from "../linux/netlink/socket.ts";

export class HostSockets {
  readonly #idle = new Map<NetlinkProtocol, NetlinkSocket>();

  /** The socket of a protocol, for its taker alone until it is given back; a new one where there is none. */
  take(protocol: NetlinkProtocol): NetlinkSocket {
    const socket = this.#idle.get(protocol);
    this.#idle.delete(protocol);
    return socket ?? new NetlinkSocket(protocol);
  }

  /** Gives a socket back. One that somebody broke off with, or of which there is another by now, is closed. */
  giveBack(protocol: NetlinkProtocol, socket: NetlinkSocket): void {
    if (socket.isAtRest && !this.#idle.has(protocol)) this.#idle.set(protocol, socket);
    else socket.close();
  }
}
