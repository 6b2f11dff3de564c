/**
 * Masquerade: what a container sends beyond its own networks leaves the host under the host's address.
 *
 * Each address is an element of one verdict map, which leads to the chain of its network; so a packet costs one lookup
 * however many containers there are, and an ADD changes one element. The chain lets the network itself and multicast
 * pass untouched. Ports are chosen fully at random, because two connections that race for the same port on the way to
 * one server would else lose a packet.
 * @see https://www.cni.dev/plugins/current/main/bridge/ ipMasq
 */

import { formatCidr, networkOf, parseCidr } from "../core/cidr.ts";
import { type Family, familyOf } from "../core/ip.ts";
import { type AttachmentKey, ownerComment } from "../core/names.ts";
import type { NftRule, NftSet, NftStatement } from "../core/nftables.ts";
import type { NftChainResource, NftElementResource, NftTableResource, Resource } from "../core/plan.ts";

const TABLE = { family: "inet", table: "tendril" } as const;

const MULTICAST: Readonly<Record<Family, string>> = { 4: "224.0.0.0/4", 6: "ff00::/8" };

/** Masquerade for addresses in CIDR notation, whose prefixes are the networks that see them as they are. */
export function planMasquerade(key: AttachmentKey, addresses: readonly string[]): Resource[] {
  const networks = new Map<string, NftChainResource>();
  const elements: NftElementResource[] = [];
  for (const address of addresses) {
    const cidr = parseCidr(address);
    if (cidr === undefined) continue;
    const chain = networkChain(formatCidr(networkOf(cidr)));
    networks.set(chain.chain.name, chain);
    elements.push(element(key, address.slice(0, address.indexOf("/")), chain.chain.name));
  }
  return [masqueradeTable(), ...networks.values(), ...elements];
}

/** The elements of an attachment whose addresses are not known. */
export function planLostMasquerade(key: AttachmentKey): Resource[] {
  return [{ kind: "nft-owned", where: "host", sets: [masqueradeMap(4), masqueradeMap(6)], comment: ownerComment(key) }];
}

function masqueradeTable(): NftTableResource {
  const lookUp = (field: "ip saddr" | "ip6 saddr", family: Family): NftRule => ({
    ...TABLE,
    chain: "postrouting",
    statements: [{ kind: "vmap", key: field, map: mapName(family) }],
  });
  return {
    kind: "nft-table",
    where: "host",
    shared: true,
    table: { family: TABLE.family, name: TABLE.table },
    sets: [masqueradeMap(4), masqueradeMap(6)],
    chains: [
      {
        chain: {
          ...TABLE,
          name: "postrouting",
          base: { type: "nat", hook: "postrouting", priority: "srcnat", policy: "accept" },
        },
        rules: [lookUp("ip saddr", 4), lookUp("ip6 saddr", 6)],
      },
    ],
  };
}

function masqueradeMap(family: Family): NftSet {
  return { ...TABLE, name: mapName(family), key: [family === 4 ? "ipv4_addr" : "ipv6_addr"], data: "verdict" };
}

function mapName(family: Family): string {
  return `masquerade_ipv${family}`;
}

function networkChain(network: string): NftChainResource {
  const family = familyOf(network);
  const name = `masquerade-${network.replace("/", "-").replaceAll(":", "_")}`;
  const rule = (...statements: readonly NftStatement[]): NftRule => ({ ...TABLE, chain: name, statements });
  const destination = family === 4 ? "ip daddr" : "ip6 daddr";
  const pass = (value: string) =>
    rule({ kind: "match", key: destination, value }, { kind: "verdict", verdict: "return" });
  return {
    kind: "nft-chain",
    where: "host",
    shared: true,
    chain: { ...TABLE, name },
    rules: [pass(network), pass(MULTICAST[family]), rule({ kind: "masquerade", flags: ["fully-random"] })],
  };
}

function element(key: AttachmentKey, address: string, chain: string): NftElementResource {
  return {
    kind: "nft-element",
    where: "host",
    element: {
      set: masqueradeMap(familyOf(address)),
      key: [address],
      verdict: { goto: chain },
      comment: ownerComment(key),
    },
  };
}
