/**
 * Noticing at once that the links by which the node reaches others have another MTU or other addresses, or that the
 * default route, by which the node's own address is found, is another one.
 */

import { addressMessage, RTM_DELADDR, RTM_NEWADDR } from "../linux/netlink/rtnetlink/address.ts";
import { decodeLink, RTM_DELLINK, RTM_NEWLINK } from "../linux/netlink/rtnetlink/link/link.ts";
import { RTM_DELROUTE, RTM_NEWROUTE, RTN_UNICAST, routeMessage } from "../linux/netlink/rtnetlink/route.ts";
import {
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV6_ROUTE,
  RTNLGRP_LINK,
  type Subscription,
  subscribe,
} from "../linux/netlink/subscription.ts";
import type { Uplink } from "../modes/mode.ts";
import { isOfUplink, textOf } from "./uplinks.ts";

const GROUPS = [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE];

export interface UplinkWatch {
  close(): void;
}

/**
 * Calls `changed` whenever the kernel tells of something that is not so in the uplinks as they are known by then, or
 * when it could not be heard; `failed` when nothing more can be heard. Throws KernelError when the kernel lets nobody
 * listen.
 */
export function watchUplinks(
  known: () => readonly Uplink[],
  changed: () => void,
  failed: (error: unknown) => void,
): UplinkWatch {
  const subscription = subscribe(GROUPS);
  void listen(subscription, known, changed).catch(failed);
  return { close: () => subscription.close() };
}

async function listen(subscription: Subscription, known: () => readonly Uplink[], changed: () => void): Promise<void> {
  for await (const notification of subscription) {
    if (notification.lost || isNews(notification.type, notification.payload, known())) changed();
  }
}

function isNews(type: number, payload: Uint8Array, uplinks: readonly Uplink[]): boolean {
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      const { name, mtu } = decodeLink(payload);
      const uplink = uplinks.find((each) => each.name === name);
      return uplink !== undefined && (type === RTM_DELLINK || uplink.mtu !== mtu);
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const address = addressMessage.read(payload);
      // Addresses of IPv6 are told again and again as their lifetimes are renewed.
      const isKnown = uplinks.some(({ addresses }) => addresses.includes(textOf(address)));
      return type === RTM_DELADDR ? isKnown : !isKnown && isOfUplink(address);
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const { destinationLength, type: kind } = routeMessage.read(payload);
      return destinationLength === 0 && kind === RTN_UNICAST;
    }
    default:
      return false;
  }
}
