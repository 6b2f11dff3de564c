/** Links of a lab's members, seen and changed from outside. */

import { listAddresses } from "../linux/netlink/rtnetlink/address.ts";
import { changeLink, deleteLink, findLink, IFF_UP } from "../linux/netlink/rtnetlink/link/link.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../linux/netlink/socket.ts";
import { closeNetns, inNetns, namedNetnsPath, openNetns, openNetnsIfExists } from "../linux/netns.ts";

/** Sets a link up or down. Throws KernelError. */
export function setLink(netnsName: string, name: string, state: "up" | "down"): void {
  const flags = state === "up" ? IFF_UP : 0;
  withSocket(netnsName, (socket) => socket.execute(changeLink({ name, flags, change: IFF_UP })));
}

/** Removes a link, with the other end of its pair wherever that is. Nothing happens without it. Throws KernelError. */
export function removeLink(netnsName: string, name: string): void {
  withSocket(netnsName, (socket) => {
    if (findLink(socket, name) !== undefined) socket.execute(deleteLink({ name }));
  });
}

/** The most bytes that a packet out of a link can have; undefined without the link or its namespace. */
export function linkMtu(netnsName: string, name: string): number | undefined {
  return isThere(netnsName) ? withSocket(netnsName, (socket) => findLink(socket, name)?.mtu) : undefined;
}

/** The addresses of a link without prefix length, link-local ones left out; none without the link or its namespace. */
export function linkAddresses(netnsName: string, name: string): string[] {
  if (!isThere(netnsName)) return [];
  return withSocket(netnsName, (socket) => {
    const index = findLink(socket, name)?.index;
    if (index === undefined) return [];
    return listAddresses(socket, index).flatMap(({ local, address }) => {
      const ip = local ?? address;
      return ip === undefined || /^(fe80:|169\.254\.)/.test(ip) ? [] : [ip];
    });
  });
}

function isThere(netnsName: string): boolean {
  const netns = openNetnsIfExists(namedNetnsPath(netnsName));
  if (netns !== undefined) closeNetns(netns);
  return netns !== undefined;
}

/** Sends requests to the kernel about a named namespace. */
export function withSocket<T>(netnsName: string, work: (socket: NetlinkSocket) => T): T {
  const netns = openNetns(namedNetnsPath(netnsName));
  try {
    const socket = inNetns(netns, () => new NetlinkSocket(NETLINK_ROUTE));
    try {
      return work(socket);
    } finally {
      socket.close();
    }
  } finally {
    closeNetns(netns);
  }
}
