/** The words that nft(8) has for numbers. The number of a word comes from the header named beside each table. */

export type Symbols = { readonly [word: string]: number };

/** @see linux/in.h IPPROTO_; the words are those of protocols(5) */
export const PROTOCOLS: Symbols = {
  icmp: 1,
  igmp: 2,
  ipencap: 4,
  tcp: 6,
  udp: 17,
  dccp: 33,
  ipv6: 41,
  gre: 47,
  esp: 50,
  ah: 51,
  "ipv6-icmp": 58,
  ospf: 89,
  sctp: 132,
  udplite: 136,
};

/** @see linux/if_ether.h ETH_P_ */
export const ETHER_TYPES: Symbols = { ip: 0x0800, arp: 0x0806, ip6: 0x86dd, "8021q": 0x8100, "8021ad": 0x88a8 };

/** @see linux/icmp.h */
export const ICMP_TYPES: Symbols = {
  "echo-reply": 0,
  "destination-unreachable": 3,
  "source-quench": 4,
  redirect: 5,
  "echo-request": 8,
  "router-advertisement": 9,
  "router-solicitation": 10,
  "time-exceeded": 11,
  "parameter-problem": 12,
  "timestamp-request": 13,
  "timestamp-reply": 14,
  "info-request": 15,
  "info-reply": 16,
  "address-mask-request": 17,
  "address-mask-reply": 18,
};

/** @see linux/icmpv6.h, RFC 4861, RFC 3810 */
export const ICMPV6_TYPES: Symbols = {
  "destination-unreachable": 1,
  "packet-too-big": 2,
  "time-exceeded": 3,
  "parameter-problem": 4,
  "echo-request": 128,
  "echo-reply": 129,
  "mld-listener-query": 130,
  "mld-listener-report": 131,
  "mld-listener-done": 132,
  "nd-router-solicit": 133,
  "nd-router-advert": 134,
  "nd-neighbor-solicit": 135,
  "nd-neighbor-advert": 136,
  "nd-redirect": 137,
  "router-renumbering": 138,
  "ind-neighbor-solicit": 141,
  "ind-neighbor-advert": 142,
  "mld2-listener-report": 143,
};

/** @see linux/if_arp.h ARPHRD_ */
export const HARDWARE_TYPES: Symbols = {
  ether: 1,
  ppp: 512,
  ipip: 768,
  ipip6: 769,
  loopback: 772,
  sit: 776,
  ipgre: 778,
};

/** @see linux/netfilter.h NFPROTO_ */
export const NF_PROTOCOLS: Symbols = { ipv4: 2, ipv6: 10 };

/** Bits. @see linux/netfilter/nf_conntrack_common.h NF_CT_STATE_BIT */
export const CT_STATES: Symbols = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 };

/** Bits. @see linux/netfilter/nf_conntrack_common.h enum ip_conntrack_status */
export const CT_STATUSES: Symbols = {
  expected: 1,
  "seen-reply": 2,
  assured: 4,
  confirmed: 8,
  snat: 16,
  dnat: 32,
  dying: 512,
};

/** @see linux/netfilter/nf_conntrack_tuple_common.h enum ip_conntrack_dir */
export const CT_DIRECTIONS: Symbols = { original: 0, reply: 1 };

/** @see linux/rtnetlink.h RTN_ */
export const ADDRESS_TYPES: Symbols = {
  unspec: 0,
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
};

/** The word for a number, or undefined. */
export function wordOf(symbols: Symbols, number: number): string | undefined {
  for (const word in symbols) if (symbols[word] === number) return word;
  return undefined;
}
