/** The header of every nfnetlink message, and the requests that start with it. @see linux/netfilter/nfnetlink.h struct nfgenmsg */

import { DecodeError } from "../../core/errors.ts";
import type { NftFamily } from "../../core/nftables.ts";
import { message, type WithUnknown } from "../netlink/attributes.ts";
import { be16, type PlacedWire, struct, u8 } from "../netlink/wire.ts";
import { NFPROTO_ARP, NFPROTO_BRIDGE, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_NETDEV } from "./constants.ts";

export interface NfHeader {
  /** NFPROTO_ */
  protocol: number;
  version: number;
  /** The subsystem that a batch is for; in answers the low bits of the generation. */
  resource: number;
}

export const nfHeader = struct<NfHeader>(4, { protocol: [0, u8], version: [1, u8], resource: [2, be16] });

/** The format of a message with this body. */
export function nfMessage<T extends WithUnknown>(body: PlacedWire<T>): PlacedWire<NfHeader & T> {
  return message(nfHeader, body);
}

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
