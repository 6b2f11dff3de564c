/** The words of statements and the numbers that the kernel has for them. */

import type { NftLimit, NftLogLevel, NftNatFlag, NftRejectAnswer } from "../../core/nftables.ts";
import {
  NF_NAT_RANGE_PERSISTENT,
  NF_NAT_RANGE_PROTO_RANDOM,
  NF_NAT_RANGE_PROTO_RANDOM_FULLY,
  NFT_REJECT_ICMP_UNREACH,
  NFT_REJECT_ICMPX_UNREACH,
  NFT_REJECT_TCP_RST,
} from "./constants.ts";

/** Bits, in the order in which nft(8) writes the words. */
export const NAT_FLAGS: { readonly [K in NftNatFlag]: number } = {
  random: NF_NAT_RANGE_PROTO_RANDOM,
  "fully-random": NF_NAT_RANGE_PROTO_RANDOM_FULLY,
  persistent: NF_NAT_RANGE_PERSISTENT,
};

/** Index is the number. @see linux/netfilter/nf_tables.h enum nft_log_level */
export const LOG_LEVELS: readonly NftLogLevel[] = [
  "emerg",
  "alert",
  "crit",
  "err",
  "warn",
  "notice",
  "info",
  "debug",
  "audit",
];

/** In seconds. */
export const LIMIT_UNITS: { readonly [K in NftLimit["per"]]: number } = {
  second: 1,
  minute: 60,
  hour: 3600,
  day: 86400,
  week: 604800,
};

interface RejectNumbers {
  readonly type: number;
  readonly code: number;
}

const icmp = (code: number): RejectNumbers => ({ type: NFT_REJECT_ICMP_UNREACH, code });
const icmpx = (code: number): RejectNumbers => ({ type: NFT_REJECT_ICMPX_UNREACH, code });

/** @see linux/icmp.h ICMP_NET_UNREACH, linux/icmpv6.h ICMPV6_NOROUTE, enum nft_reject_inet_code */
export const REJECT_ANSWERS: { readonly [K in NftRejectAnswer]: RejectNumbers } = {
  "tcp reset": { type: NFT_REJECT_TCP_RST, code: 0 },
  "icmpx no-route": icmpx(0),
  "icmpx port-unreachable": icmpx(1),
  "icmpx host-unreachable": icmpx(2),
  "icmpx admin-prohibited": icmpx(3),
  "icmp net-unreachable": icmp(0),
  "icmp host-unreachable": icmp(1),
  "icmp prot-unreachable": icmp(2),
  "icmp port-unreachable": icmp(3),
  "icmp net-prohibited": icmp(9),
  "icmp host-prohibited": icmp(10),
  "icmp admin-prohibited": icmp(13),
  "icmpv6 no-route": icmp(0),
  "icmpv6 admin-prohibited": icmp(1),
  "icmpv6 addr-unreachable": icmp(3),
  "icmpv6 port-unreachable": icmp(4),
  "icmpv6 policy-fail": icmp(5),
  "icmpv6 reject-route": icmp(6),
};

/** The answer of these numbers; which ICMP a code is of the packet's network protocol says. */
export function rejectAnswer(type: number, code: number, isIpv6: boolean): NftRejectAnswer | undefined {
  if (type === NFT_REJECT_TCP_RST) return "tcp reset";
  const prefix = type === NFT_REJECT_ICMPX_UNREACH ? "icmpx " : isIpv6 ? "icmpv6 " : "icmp ";
  for (const answer of Object.keys(REJECT_ANSWERS) as NftRejectAnswer[]) {
    if (answer.startsWith(prefix) && REJECT_ANSWERS[answer].code === code) return answer;
  }
  return undefined;
}
