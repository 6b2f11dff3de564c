/** The fields that rules look at: their types, where the kernel finds them, and what has to be true for them to be there. */

import type { NftKey, NftKeys, NftType } from "../../core/nftables.ts";
import {
  NFT_CT_DIRECTION,
  NFT_CT_MARK,
  NFT_CT_STATE,
  NFT_CT_STATUS,
  NFT_META_IIF,
  NFT_META_IIFNAME,
  NFT_META_IIFTYPE,
  NFT_META_L4PROTO,
  NFT_META_MARK,
  NFT_META_NFPROTO,
  NFT_META_OIF,
  NFT_META_OIFNAME,
  NFT_META_PROTOCOL,
  NFT_PAYLOAD_LL_HEADER,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_PAYLOAD_TRANSPORT_HEADER,
  NFTA_FIB_F_DADDR,
  NFTA_FIB_F_IIF,
  NFTA_FIB_F_SADDR,
} from "./constants.ts";

/** A network protocol, by the word that `ether type` has for it. */
export type NetworkProtocol = "ip" | "ip6" | "arp";
/** A transport protocol, by the word that `ip protocol` has for it. */
export type TransportProtocol = "tcp" | "udp" | "sctp" | "icmp" | "ipv6-icmp";

/** Where the kernel finds a field. */
export type Source =
  | { readonly payload: number; readonly offset: number }
  | { readonly meta: number }
  | { readonly ct: number }
  | { readonly fib: number };

export interface Field {
  readonly type: NftType;
  readonly source: Source;
  /** Protocols of the headers that the field is in. */
  readonly network?: NetworkProtocol;
  readonly transport?: TransportProtocol;
  /** The value says which protocol the next header is of. */
  readonly tells?: "link" | "network" | "transport";
}

const link = (offset: number, type: NftType): Field => ({ type, source: { payload: NFT_PAYLOAD_LL_HEADER, offset } });

const inNetwork = (network: NetworkProtocol, offset: number, type: NftType): Field => ({
  type,
  source: { payload: NFT_PAYLOAD_NETWORK_HEADER, offset },
  network,
});

const port = (offset: number, transport?: TransportProtocol): Field => ({
  type: "inet_service",
  source: { payload: NFT_PAYLOAD_TRANSPORT_HEADER, offset },
  ...(transport === undefined ? {} : { transport }),
});

const fromMeta = (meta: number, type: NftType): Field => ({ type, source: { meta } });
const fromCt = (ct: number, type: NftType): Field => ({ type, source: { ct } });
const fromFib = (flags: number): Field => ({ type: "fib_addrtype", source: { fib: flags } });

/** @see linux/if_ether.h struct ethhdr, linux/ip.h, linux/ipv6.h, linux/tcp.h, linux/udp.h; offsets are in bytes */
export const FIELDS: { readonly [K in NftKey]: Field } = {
  "ether daddr": link(0, "ether_addr"),
  "ether saddr": link(6, "ether_addr"),
  "ether type": { ...link(12, "ether_type"), tells: "network" },
  "ip protocol": { ...inNetwork("ip", 9, "inet_proto"), tells: "transport" },
  "ip saddr": inNetwork("ip", 12, "ipv4_addr"),
  "ip daddr": inNetwork("ip", 16, "ipv4_addr"),
  "ip6 nexthdr": { ...inNetwork("ip6", 6, "inet_proto"), tells: "transport" },
  "ip6 saddr": inNetwork("ip6", 8, "ipv6_addr"),
  "ip6 daddr": inNetwork("ip6", 24, "ipv6_addr"),
  "icmp type": { ...port(0, "icmp"), type: "icmp_type", network: "ip" },
  "icmpv6 type": { ...port(0, "ipv6-icmp"), type: "icmpv6_type", network: "ip6" },
  "tcp sport": port(0, "tcp"),
  "tcp dport": port(2, "tcp"),
  "udp sport": port(0, "udp"),
  "udp dport": port(2, "udp"),
  "sctp sport": port(0, "sctp"),
  "sctp dport": port(2, "sctp"),
  "th sport": port(0),
  "th dport": port(2),
  iif: fromMeta(NFT_META_IIF, "iface_index"),
  oif: fromMeta(NFT_META_OIF, "iface_index"),
  iifname: fromMeta(NFT_META_IIFNAME, "ifname"),
  oifname: fromMeta(NFT_META_OIFNAME, "ifname"),
  "meta iiftype": { ...fromMeta(NFT_META_IIFTYPE, "iface_type"), tells: "link" },
  "meta mark": fromMeta(NFT_META_MARK, "mark"),
  "meta nfproto": { ...fromMeta(NFT_META_NFPROTO, "nf_proto"), tells: "network" },
  "meta l4proto": { ...fromMeta(NFT_META_L4PROTO, "inet_proto"), tells: "transport" },
  "meta protocol": { ...fromMeta(NFT_META_PROTOCOL, "ether_type"), tells: "network" },
  "ct state": fromCt(NFT_CT_STATE, "ct_state"),
  "ct status": fromCt(NFT_CT_STATUS, "ct_status"),
  "ct mark": fromCt(NFT_CT_MARK, "mark"),
  "ct direction": fromCt(NFT_CT_DIRECTION, "ct_dir"),
  "fib daddr type": fromFib(NFTA_FIB_F_DADDR),
  "fib saddr type": fromFib(NFTA_FIB_F_SADDR),
  "fib daddr . iif type": fromFib(NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF),
  "fib saddr . iif type": fromFib(NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF),
};

/** The fields of a key, which may be one alone. */
export function keyList(keys: NftKeys): readonly NftKey[] {
  return typeof keys === "string" ? [keys] : keys;
}

/** The types of a key's fields. */
export function keyTypes(keys: NftKeys): NftType[] {
  return keyList(keys).map((key) => FIELDS[key].type);
}

/** The field that the kernel finds there; for the payload, among those of the headers' protocols. */
export function findKey(
  matches: (source: Source) => boolean,
  network?: NetworkProtocol,
  transport?: string,
): NftKey | undefined {
  for (const key in FIELDS) {
    const field = FIELDS[key as NftKey];
    if (!matches(field.source)) continue;
    if (field.network !== undefined && field.network !== network) continue;
    if (field.transport !== undefined && field.transport !== transport) continue;
    return key as NftKey;
  }
  return undefined;
}
