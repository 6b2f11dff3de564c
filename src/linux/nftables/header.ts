/** The families of nf_tables in the header of its messages, and what such a message always has. */

import { DecodeError } from "../../core/errors.ts";
import type { NftFamily } from "../../core/nftables.ts";
import type { NfHeader } from "../netlink/nfnetlink.ts";
import { NFPROTO_ARP, NFPROTO_BRIDGE, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_NETDEV } from "./constants.ts";

const PROTOCOLS: { readonly [K in NftFamily]: number } = {
  inet: NFPROTO_INET,
  ip: NFPROTO_IPV4,
  ip6: NFPROTO_IPV6,
  bridge: NFPROTO_BRIDGE,
  arp: NFPROTO_ARP,
  netdev: NFPROTO_NETDEV,
};

/** The header of a request about a family. */
export function headerFor(family: NftFamily): NfHeader {
  return { protocol: PROTOCOLS[family], version: 0, resource: 0 };
}

/** The family of a message. Throws DecodeError for one that nf_tables does not have. */
export function familyOfHeader({ protocol }: NfHeader): NftFamily {
  for (const family in PROTOCOLS) if (PROTOCOLS[family as NftFamily] === protocol) return family as NftFamily;
  throw new DecodeError(`${protocol} is not a family of nf_tables`);
}

/** A field that the kernel always sends. Throws DecodeError where it is missing. */
export function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new DecodeError(`A message without ${what}`);
  return value;
}
