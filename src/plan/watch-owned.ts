/**
 * Noticing that somebody has taken away or changed what is ours, so that it can be made again.
 *
 * What we do ourselves comes by here too. It does not count where it agrees with what is wanted by the time that it is
 * heard; and where it does count, making again what is there changes nothing, so nothing more is heard.
 */

import { AF_BRIDGE } from "../linux/libc.ts";
import { addressMessage, RTM_DELADDR } from "../linux/netlink/rtnetlink/address.ts";
import {
  decodeLink,
  IFF_UP,
  type KernelLink,
  listLinks,
  RTM_DELLINK,
  RTM_NEWLINK,
} from "../linux/netlink/rtnetlink/link/link.ts";
import { neighbourMessage, RTM_DELNEIGH, RTM_NEWNEIGH } from "../linux/netlink/rtnetlink/neighbour.ts";
import {
  RTM_DELROUTE,
  RTM_NEWROUTE,
  routeDestination,
  routeMessage,
  waysOf,
} from "../linux/netlink/rtnetlink/route.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from "../linux/netlink/socket.ts";
import {
  NFNLGRP_NFTABLES,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV6_ROUTE,
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
  type Subscription,
  subscribe,
} from "../linux/netlink/subscription.ts";
import { chainMessage } from "../linux/nftables/chain.ts";
import { NFT_MSG_DELCHAIN, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN } from "../linux/nftables/constants.ts";
import { familyOfHeader } from "../linux/nftables/header.ts";
import { tableMessage } from "../linux/nftables/table.ts";
import { isSame } from "./identity.ts";
import { entryOf, routeOf } from "./owned.ts";
import type { Reconciler } from "./reconcile.ts";

const GROUPS = [
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_ROUTE,
];

export interface WatchOptions {
  /** What comes in this many milliseconds is one disturbance. */
  readonly delay?: number;
  /** So many milliseconds it becomes, doubled each time, as long as one disturbance follows upon the other. */
  readonly longestDelay?: number;
}

export interface OwnedWatch {
  close(): void;
}

/**
 * Calls `disturbed` some milliseconds after the first sign that something that `reconciler` keeps in this thread's
 * namespace is no more as it was, or that signs were missed; `failed` when nothing more can be heard. Throws
 * KernelError when the kernel lets nobody listen.
 */
export function watchOwned(
  reconciler: Pick<Reconciler, "find" | "signs">,
  disturbed: () => void,
  failed: (error: unknown) => void,
  { delay: shortest = 20, longestDelay = 1_000 }: WatchOptions = {},
): OwnedWatch {
  const subscriptions = [subscribe(GROUPS)];
  const links = new Map<number, KernelLink>();
  try {
    subscriptions.push(subscribe([NFNLGRP_NFTABLES], NETLINK_NETFILTER));
    for (const link of linksHere()) links.set(link.index, link);
  } catch (error) {
    for (const subscription of subscriptions) subscription.close();
    throw error;
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  let delay = shortest;
  let last = Number.NEGATIVE_INFINITY;
  const report = () => {
    if (timer !== undefined) return;
    // Somebody who keeps taking away what we make must not keep us busy.
    delay = performance.now() - last < 2 * delay ? Math.min(2 * delay, longestDelay) : shortest;
    timer = setTimeout(() => {
      timer = undefined;
      disturbed();
      last = performance.now();
    }, delay);
  };
  const judge = { reconciler, links };
  for (const subscription of subscriptions) {
    listen(subscription, (type, payload) => isDisturbance(type, payload, judge), report, failed);
  }
  return {
    close() {
      clearTimeout(timer);
      for (const subscription of subscriptions) subscription.close();
    },
  };
}

function linksHere(): KernelLink[] {
  const socket = new NetlinkSocket(NETLINK_ROUTE);
  try {
    return listLinks(socket);
  } finally {
    socket.close();
  }
}

async function listen(
  subscription: Subscription,
  isSign: (type: number, payload: Uint8Array) => boolean,
  report: () => void,
  failed: (error: unknown) => void,
): Promise<void> {
  try {
    for await (const notification of subscription) {
      if (notification.lost || isSign(notification.type, notification.payload)) report();
    }
  } catch (error) {
    failed(error);
  }
}

interface Judge {
  readonly reconciler: Pick<Reconciler, "find" | "signs">;
  /** The namespace's links as they were last heard of, by index. */
  readonly links: Map<number, KernelLink>;
}

function isDisturbance(type: number, payload: Uint8Array, judge: Judge): boolean {
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return isOfLink(type, decodeLink(payload), judge);
    case RTM_DELADDR:
      // With an address go routes, of which IPv4 does not tell.
      return isSeen(addressMessage.read(payload).index, judge);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return isOfRoute(type, payload, judge);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return isOfNeighbour(type, payload, judge);
    case NFT_MSG_DELTABLE: {
      const table = tableMessage.read(payload);
      return judge.reconciler.signs.hasTable(familyOfHeader(table), table.name ?? "");
    }
    case NFT_MSG_NEWCHAIN: {
      const chain = chainMessage.read(payload);
      return judge.reconciler.signs.awaitsChain(familyOfHeader(chain), chain.table ?? "", chain.name ?? "");
    }
    case NFT_MSG_DELCHAIN: {
      const chain = chainMessage.read(payload);
      return judge.reconciler.signs.hasChain(familyOfHeader(chain), chain.table ?? "", chain.name ?? "");
    }
    default:
      return false;
  }
}

function isSeen(index: number, { reconciler, links }: Judge): boolean {
  return reconciler.signs.hasLink(links.get(index)?.name ?? "");
}

/** A link that has gone or come, or has another state than before. */
function isOfLink(type: number, link: KernelLink, { reconciler, links }: Judge): boolean {
  // A bridge tells of its ports as links of its own family.
  if (link.family === AF_BRIDGE) return false;
  const before = links.get(link.index);
  const names = [link.name, before?.name ?? link.name];
  if (type === RTM_DELLINK) links.delete(link.index);
  else links.set(link.index, link);
  if (!names.some((name) => reconciler.signs.hasLink(name))) return false;
  return type === RTM_DELLINK || before === undefined || stateOf(before) !== stateOf(link);
}

function stateOf({ name, flags, mtu, address, master }: KernelLink): string {
  return [name, flags & IFF_UP, mtu, address, master].join(" ");
}

/** A route of ours that was deleted, or another one to its destination, which may have been put in its place. */
function isOfRoute(type: number, payload: Uint8Array, { reconciler, links }: Judge): boolean {
  const route = routeMessage.read(payload);
  if (!reconciler.signs.hasDestination(routeDestination(route))) return false;
  const names = new Map<number, string>();
  for (const [index, { name }] of links) names.set(index, name);
  for (const resource of waysOf(route).flatMap((way) => routeOf(way, names))) {
    const wanted = reconciler.find(resource);
    if (type === RTM_DELROUTE ? wanted !== undefined : wanted?.kind !== "route" || wanted.protocol !== route.protocol) {
      return true;
    }
  }
  return false;
}

/** An entry of ours that was deleted, or is another now. */
function isOfNeighbour(type: number, payload: Uint8Array, { reconciler, links }: Judge): boolean {
  const entry = neighbourMessage.read(payload);
  const link = links.get(entry.index)?.name;
  if (link === undefined || !reconciler.signs.hasLink(link)) return false;
  const { destination, linkAddress } = entry;
  const wanted =
    entry.family === AF_BRIDGE
      ? reconciler.find({ kind: "forwarding", where: "host", link, mac: linkAddress ?? "", destination: "" })
      : reconciler.find({ kind: "neighbour", where: "host", link, ip: destination ?? "", mac: "" });
  if (wanted === undefined) return false;
  const [now] = entryOf(entry, link);
  return type === RTM_DELNEIGH || now === undefined || !isSame(wanted, now);
}
