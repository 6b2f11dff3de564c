/** A fresh namespace with a netfilter socket in it. */

import { afterAll } from "bun:test";
import { type TestNetns, testNamespaces } from "../../../../test/support/namespaces.ts";
import { NetlinkError } from "../../netlink/error.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../../netlink/socket.ts";
import { inNetns } from "../../netns.ts";

export interface NetfilterNetns extends TestNetns {
  readonly netfilter: NetlinkSocket;
  /** Another socket, as another process would have it. */
  openAnother(): NetlinkSocket;
}

/** Namespaces for the tests of one file, closed after them. */
export function netfilterNamespaces(): { fresh(): NetfilterNetns } {
  const open: NetlinkSocket[] = [];
  afterAll(() => {
    for (const socket of open.splice(0)) socket.close();
  });
  const namespaces = testNamespaces();
  return {
    fresh() {
      const namespace = namespaces.fresh();
      const openAnother = () => {
        const socket = inNetns(namespace.netns, () => new NetlinkSocket(NETLINK_NETFILTER));
        open.push(socket);
        return socket;
      };
      return { ...namespace, netfilter: openAnother(), openAnother };
    },
  };
}

/** The error that the kernel gave; fails when there was none. */
export function refusal(work: () => unknown): NetlinkError {
  try {
    work();
  } catch (error) {
    if (error instanceof NetlinkError) return error;
    throw error;
  }
  throw new Error("The kernel refused nothing");
}
