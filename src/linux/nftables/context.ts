/**
 * What a rule knows about the packet's headers at some point: from the family of its table, and from what it has
 * tested before. A field of a header that may be another one needs a test first, which nft(8) neither asks for nor
 * shows: `ip saddr` in a table of family `inet` begins with `meta nfproto ipv4`.
 */

import type { NftFamily, NftKey, NftValue } from "../../core/nftables.ts";
import { DATA_TYPES, encodeValue } from "./datatypes.ts";
import { FIELDS, type NetworkProtocol, type TransportProtocol } from "./keys.ts";

export interface Context {
  readonly family: NftFamily;
  ethernet: boolean;
  network: NetworkProtocol | undefined;
  /** A transport protocol's word, or its number where it has none. */
  transport: NftValue | undefined;
}

/** What is known at the start of a rule. */
export function startContext(family: NftFamily): Context {
  return {
    family,
    ethernet: family === "bridge" || family === "netdev",
    network: family === "ip" || family === "ip6" || family === "arp" ? family : undefined,
    transport: undefined,
  };
}

/** A test that has to come first. */
export interface Dependency {
  readonly key: NftKey;
  readonly value: NftValue;
}

/** The tests that a field needs before it. Throws TypeError where the rule has said that such a header is not there. */
export function dependencies(context: Context, key: NftKey): Dependency[] {
  const { source, network, transport } = FIELDS[key];
  const needed: Dependency[] = [];
  if ("payload" in source && key.startsWith("ether ") && !context.ethernet) {
    needed.push({ key: "meta iiftype", value: "ether" });
  }
  if (network !== undefined && context.network !== network) {
    if (context.network !== undefined) throw new TypeError(`"${key}" in a rule for ${context.network}`);
    needed.push(networkTest(context, network));
  }
  if (transport !== undefined && context.transport !== transport) {
    if (context.transport !== undefined) throw new TypeError(`"${key}" in a rule for ${context.transport}`);
    needed.push({ key: "meta l4proto", value: transport });
  }
  return needed;
}

function networkTest({ family }: Context, network: NetworkProtocol): Dependency {
  if (family === "inet" && network !== "arp") {
    return { key: "meta nfproto", value: network === "ip" ? "ipv4" : "ipv6" };
  }
  return { key: "meta protocol", value: network };
}

/** Takes note that a field equals a value. */
export function learn(context: Context, key: NftKey, value: NftValue): void {
  const { tells, type } = FIELDS[key];
  if (tells === "link") context.ethernet = sameValue(key, value, "ether");
  if (tells === "network") context.network = networkOf(key, value) ?? context.network;
  if (tells === "transport") context.transport = wordFor(type === "inet_proto", value);
}

function networkOf(key: NftKey, value: NftValue): NetworkProtocol | undefined {
  const words: readonly (readonly [NftValue, NetworkProtocol])[] =
    FIELDS[key].type === "nf_proto"
      ? [
          ["ipv4", "ip"],
          ["ipv6", "ip6"],
        ]
      : [
          ["ip", "ip"],
          ["ip6", "ip6"],
          ["arp", "arp"],
        ];
  return words.find(([word]) => sameValue(key, value, word))?.[1];
}

function wordFor(isProtocol: boolean, value: NftValue): NftValue {
  if (!isProtocol) return value;
  const known: readonly TransportProtocol[] = ["tcp", "udp", "sctp", "icmp", "ipv6-icmp"];
  return known.find((word) => sameValue("meta l4proto", value, word)) ?? value;
}

function sameValue(key: NftKey, a: NftValue, b: NftValue): boolean {
  const { type } = FIELDS[key];
  const [first, second] = [encodeValue(type, a), encodeValue(type, b)];
  return first.length === DATA_TYPES[type].size && first.every((byte, i) => byte === second[i]);
}
