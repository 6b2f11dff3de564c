/** Who reaches whom: which of a node's links lead to a peer, and by which address. */

import { type Cidr, cidrContains, parseCidr } from "../core/cidr.ts";
import { type Family, familyOf, formatIp, withoutLength } from "../core/ip.ts";
import type { RouteResource } from "../core/plan.ts";
import { type LocalNode, type Peer, ROUTE_PROTOCOL, type Uplink } from "./mode.ts";

/** A way without a router in between. */
export interface SharedLink {
  readonly link: string;
  /** The peer's address on it. */
  readonly gateway: string;
}

/** The link that both nodes have an address of this family on, or undefined. */
export function sharedLink(
  peer: Pick<Peer, "addresses">,
  local: Pick<LocalNode, "uplinks">,
  family: Family,
): SharedLink | undefined {
  const theirs = cidrsOf(peer.addresses, family);
  for (const uplink of local.uplinks) {
    const networks = cidrsOf(uplink.addresses, family);
    const near = theirs.find(({ ip }) => networks.some((network) => cidrContains(network, ip)));
    if (near !== undefined) return { link: uplink.name, gateway: formatIp(near.ip) };
  }
  return undefined;
}

/** Routes to those of the peer's prefixes that are of this family, by its address on a shared link. */
export function directRoutes(peer: Peer, family: Family, { link, gateway }: SharedLink): RouteResource[] {
  return prefixesOf(peer, family).map((destination) => ({
    kind: "route",
    where: "host",
    link,
    destination,
    gateway,
    protocol: ROUTE_PROTOCOL,
  }));
}

export function prefixesOf({ prefixes }: Pick<Peer, "prefixes">, family: Family): string[] {
  return prefixes.filter((prefix) => familyOf(prefix) === family);
}

/** The families in which the peer has pods; while it has none, those of its addresses. */
export function familiesOf({ prefixes, addresses }: Peer): Family[] {
  const known = new Set((prefixes.length > 0 ? prefixes : addresses).map(familyOf));
  return ([4, 6] as const).filter((family) => known.has(family));
}

/** The first address of a family, without its network. */
export function addressOf({ addresses }: Pick<Peer, "addresses">, family: Family): string | undefined {
  const [first] = cidrsOf(addresses, family);
  return first === undefined ? undefined : formatIp(first.ip);
}

/** The family of tunnels between nodes. */
export function underlayFamily({ addresses }: Pick<LocalNode, "addresses">): Family {
  const [first] = addresses;
  return first === undefined ? 4 : familyOf(first);
}

/** The link that has the node's address of the family, or undefined. */
export function uplinkOf(local: Pick<LocalNode, "addresses" | "uplinks">, family: Family): Uplink | undefined {
  const own = addressOf(local, family);
  return local.uplinks.find((uplink) => own !== undefined && hasAddress(uplink, own));
}

function hasAddress({ addresses }: Uplink, own: string): boolean {
  return addresses.some((address) => address.slice(0, address.indexOf("/")) === own);
}

/** The node's own end of the tunnels in the family of these pods, without a prefix length. */
export function tunnelAddress({ tunnelAddresses }: LocalNode, family: Family): string | undefined {
  return tunnelAddresses.map(withoutLength).find((address) => familyOf(address) === family);
}

function cidrsOf(texts: readonly string[], family: Family): Cidr[] {
  return texts.map(parseCidr).filter((cidr): cidr is Cidr => cidr?.ip.family === family);
}

/** A node with its addresses, as messages name it. */
export function named({ name, addresses }: Pick<Peer, "name" | "addresses">): string {
  return `node "${name}" (${addresses.join(", ") || "no address"})`;
}
