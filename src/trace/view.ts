/** One network namespace as the tracer reads it. */

import { familyOf } from "../core/ip.ts";
import { readTextIfExists } from "../linux/file.ts";
import { AF_BRIDGE, AF_INET, AF_INET6 } from "../linux/libc.ts";
import { listAddresses } from "../linux/netlink/rtnetlink/address.ts";
import { IFF_UP, type KernelLink, listLinks } from "../linux/netlink/rtnetlink/link/link.ts";
import { listNeighbours, type Neighbour, NTF_SELF } from "../linux/netlink/rtnetlink/neighbour.ts";
import { listRoutes, type RouteQuestion } from "../linux/netlink/rtnetlink/route.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from "../linux/netlink/socket.ts";
import { closeNetns, inNetns, type Netns, openCurrentNetns, openNetns } from "../linux/netns.ts";
import { readRuleset, type TableContent } from "../linux/nftables/ruleset.ts";
import { readSysctl } from "../linux/sysctl.ts";
import { isToldByBgp, type LookupAnswer, lookUp } from "./lookup.ts";
import { namespaceNumber } from "./nsid.ts";

/** @see linux/if.h */
const IFF_LOWER_UP = 0x10000;
const IFF_NOARP = 0x80;
const IFF_LOOPBACK = 0x8;

export interface OwnAddress {
  readonly link: string;
  readonly ip: string;
}

export class View {
  /** What messages call it. */
  readonly name: string;
  readonly #netns: Netns;
  readonly #route: NetlinkSocket;
  #links: readonly KernelLink[] | undefined;
  #ruleset: readonly TableContent[] | undefined;

  /** That of a path, or without one that of this thread. Throws UnknownContainerError. */
  constructor(name: string, path?: string) {
    this.name = name;
    this.#netns = path === undefined ? openCurrentNetns() : openNetns(path);
    this.#route = inNetns(this.#netns, () => new NetlinkSocket(NETLINK_ROUTE));
  }

  close(): void {
    this.#route.close();
    closeNetns(this.#netns);
  }

  get links(): readonly KernelLink[] {
    this.#links ??= listLinks(this.#route);
    return this.#links;
  }

  link(index: number | undefined): KernelLink | undefined {
    return this.links.find((link) => link.index === index);
  }

  /** Of an unknown index what ip(8) would print. */
  linkName(index: number | undefined): string {
    return this.link(index)?.name ?? `if${index}`;
  }

  addresses(): OwnAddress[] {
    return listAddresses(this.#route).map(({ index, local, address }) => ({
      link: this.linkName(index),
      ip: local ?? address ?? "",
    }));
  }

  /** The link that has an address. */
  linkOf(ip: string): string | undefined {
    return this.addresses().find((address) => address.ip === ip)?.link;
  }

  /** The other end of a pair of links, where it is in that namespace. */
  peerIn(other: View, link: KernelLink): KernelLink | undefined {
    if (link.info?.kind !== "veth" || link.linkNetnsId === undefined) return undefined;
    if (namespaceNumber(this.#route, other.#netns.fd) !== link.linkNetnsId) return undefined;
    return other.link(link.link);
  }

  lookUp(question: RouteQuestion): LookupAnswer {
    return lookUp(this.#route, question);
  }

  /** Whether it is BGP that has told of the way to an address. */
  isToldByBgp(address: string): boolean {
    return isToldByBgp(listRoutes(this.#route), address);
  }

  neighbour(index: number, ip: string): Neighbour | undefined {
    const family = familyOf(ip) === 4 ? AF_INET : AF_INET6;
    return listNeighbours(this.#route, family).find((one) => one.index === index && one.destination === ip);
  }

  /** The remote end that a tunnel has for a link-layer address. */
  tunnelRemote(index: number, mac: string): string | undefined {
    return listNeighbours(this.#route, AF_BRIDGE).find(
      ({ index: at, flags, linkAddress }) => at === index && (flags & NTF_SELF) !== 0 && linkAddress === mac,
    )?.destination;
  }

  /** The port by which a bridge sends frames to a link-layer address. */
  bridgePort(bridge: number, mac: string): KernelLink | undefined {
    const entry = listNeighbours(this.#route, AF_BRIDGE).find(
      ({ master, index, linkAddress }) => master === bridge && index !== bridge && linkAddress === mac,
    );
    return entry && this.link(entry.index);
  }

  sysctl(name: string): string | undefined {
    return inNetns(this.#netns, () => readSysctl(name));
  }

  /** A file of /proc/net, which is there for each namespace. */
  procNet(name: string): string {
    return inNetns(this.#netns, () => readTextIfExists(`/proc/thread-self/net/${name}`) ?? "");
  }

  get ruleset(): readonly TableContent[] {
    this.#ruleset ??= inNetns(this.#netns, () => {
      const socket = new NetlinkSocket(NETLINK_NETFILTER);
      try {
        return readRuleset(socket);
      } finally {
        socket.close();
      }
    });
    return this.#ruleset;
  }
}

export function isUp({ flags }: KernelLink): boolean {
  return (flags & IFF_UP) !== 0;
}

export function hasCarrier({ flags }: KernelLink): boolean {
  return (flags & IFF_LOWER_UP) !== 0;
}

/** Whether it sends without asking who has an address. */
export function asksNobody({ flags }: KernelLink): boolean {
  return (flags & (IFF_NOARP | IFF_LOOPBACK)) !== 0;
}
