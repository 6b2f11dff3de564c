/** The links by which a node reaches others, as they are now. */

import { ConfigError } from "../core/errors.ts";
import { type Family, familyOf } from "../core/ip.ts";
import { type Address, listAddresses } from "../linux/netlink/rtnetlink/address.ts";
import { type KernelLink, listLinks } from "../linux/netlink/rtnetlink/link/link.ts";
import { listRoutes, lookUpRoute, RTN_UNICAST, RTPROT_RA } from "../linux/netlink/rtnetlink/route.ts";
import type { NetlinkSocket } from "../linux/netlink/socket.ts";
import { readSysctl } from "../linux/sysctl.ts";
import type { Uplink } from "../modes/mode.ts";

/** @see linux/rtnetlink.h */
const RT_SCOPE_UNIVERSE = 0;

/** Such as a pair's end that leads to a pod, or a bridge of pods: no way to another node. */
const OWN_PREFIXES = ["tendril.", "veth"];

/** All links with addresses that others can send to. `exclude` names a bridge of pods. Throws NetlinkError. */
export function listUplinks(socket: NetlinkSocket, exclude?: string): Uplink[] {
  const addresses = Map.groupBy(listAddresses(socket).filter(isGlobal), ({ index }) => index);
  const advertised = advertisedLinks(socket);
  return listLinks(socket).flatMap((link): Uplink[] => {
    const own = addresses.get(link.index);
    if (own === undefined || isOwn(link, own, exclude)) return [];
    const isAdvertised = advertised.has(link.index) && takesAdvertisements(link.name);
    const uplink = { name: link.name, mtu: link.mtu ?? 0, addresses: own.map(textOf) };
    return [isAdvertised ? { ...uplink, isAdvertised } : uplink];
  });
}

/** Indexes of the links by which routers have said that they are the way to the world. */
function advertisedLinks(socket: NetlinkSocket): Set<number | undefined> {
  const routes = listRoutes(socket).filter(
    ({ destinationLength, protocol }) => destinationLength === 0 && protocol === RTPROT_RA,
  );
  return new Set(routes.map(({ outputIndex }) => outputIndex));
}

/** Whether it is the kernel that listens to the routers: where a program does, such as systemd-networkd, this is 0. */
function takesAdvertisements(link: string): boolean {
  return Number(readSysctl(`net/ipv6/conf/${link}/accept_ra`) ?? 0) > 0;
}

function isGlobal({ scope }: Address): boolean {
  return scope === RT_SCOPE_UNIVERSE;
}

/** A pair's end with an address of a whole network may well lead to others: a node can be a container itself. */
function isOwn({ name }: KernelLink, addresses: readonly Address[], exclude: string | undefined): boolean {
  if (name === "lo" || name === exclude) return true;
  return (
    OWN_PREFIXES.some((prefix) => name.startsWith(prefix)) &&
    addresses.every(({ prefixLength, local, address }) => isAlone(local ?? address ?? "", prefixLength))
  );
}

function isAlone(ip: string, length: number): boolean {
  return length === (familyOf(ip) === 4 ? 32 : 128);
}

/** Whether an address may be one that others send to: of a whole network, and valid beyond the link. */
export function isOfUplink(address: Address): boolean {
  return isGlobal(address) && !isAlone(address.local ?? address.address ?? "", address.prefixLength);
}

/** In CIDR notation. */
export function textOf({ local, address, prefixLength }: Address): string {
  return `${local ?? address}/${prefixLength}`;
}

/**
 * The node's addresses in the fabric, one of each family, in CIDR notation: those that the operator names, else those of
 * the link with the default route. Throws ConfigError when there are none, NetlinkError.
 */
export function nodeAddresses(
  socket: NetlinkSocket,
  uplinks: readonly Uplink[],
  given: readonly string[] | undefined,
): string[] {
  if (given !== undefined) {
    for (const [i, address] of given.entries()) requireOwn(address, `addresses[${i}]`, uplinks);
    return [...given];
  }
  const found = ([4, 6] as const).flatMap((family) => defaultAddress(socket, uplinks, family) ?? []);
  if (found.length > 0) return found;
  throw new ConfigError("addresses", "is missing, and no link with a default route has an address");
}

function requireOwn(address: string, field: string, uplinks: readonly Uplink[]): void {
  if (uplinks.some(({ addresses }) => addresses.includes(address))) return;
  const known = uplinks.flatMap(({ addresses }) => addresses).join(", ");
  throw new ConfigError(field, `is no address of this node, which has ${known || "none"}`, { value: address });
}

function defaultAddress(socket: NetlinkSocket, uplinks: readonly Uplink[], family: Family): string | undefined {
  const routes = listRoutes(socket).filter(
    ({ destinationLength, type, family: of }) =>
      destinationLength === 0 && type === RTN_UNICAST && of === FAMILY[family],
  );
  const links = listLinks(socket);
  for (const { outputIndex } of routes) {
    const name = links.find(({ index }) => index === outputIndex)?.name;
    const address = uplinks.find((uplink) => uplink.name === name)?.addresses.find((one) => familyOf(one) === family);
    if (address !== undefined) return address;
  }
  return undefined;
}

/** @see sys/socket.h */
const FAMILY: Readonly<Record<Family, number>> = { 4: 2, 6: 10 };

/**
 * Tells the MTU of the way to an address in bytes: the route's own where it has one, else the link's; undefined without a
 * way. Throws NetlinkError.
 */
export function wayMtus(socket: NetlinkSocket, uplinks: readonly Uplink[]): (address: string) => number | undefined {
  let names: ReadonlyMap<number, string> | undefined;
  return (address) => {
    const route = lookUpRoute(socket, address);
    if (route === undefined) return undefined;
    names ??= new Map(listLinks(socket).map(({ index, name }) => [index, name]));
    const link = names.get(route.outputIndex ?? 0);
    return route.metrics?.mtu ?? uplinks.find(({ name }) => name === link)?.mtu;
  };
}
