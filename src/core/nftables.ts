/**
 * nf_tables as plain data: tables, chains, rules, sets, maps and their elements, in the words of nft(8).
 *
 * Planners write these values into plans; `linux/nftables/` turns them into what the kernel takes, and back into text
 * that nft(8) takes. As in nft(8), a match says only what is meant: `ip saddr` in a table for both families tests for
 * IPv4 by itself, `tcp dport` for TCP.
 */

export type NftFamily = "inet" | "ip" | "ip6" | "bridge" | "arp" | "netdev";

export interface NftTable {
  readonly family: NftFamily;
  readonly name: string;
  readonly comment?: string;
}

/** Where a chain hangs in the packet's way. */
export type NftHook = "prerouting" | "input" | "forward" | "output" | "postrouting" | "ingress" | "egress";

/** Names of places in the order of a hook's chains; what number one stands for depends on the family. */
export type NftPriorityName = "raw" | "mangle" | "dstnat" | "filter" | "security" | "srcnat" | "out";

/** Lower comes first. @see nft(8) "Standard priority names" */
export type NftPriority = number | NftPriorityName | `${NftPriorityName} ${"+" | "-"} ${number}`;

/** What makes a chain a base chain, which packets enter by themselves. */
export interface NftBaseChain {
  readonly type: "filter" | "nat" | "route";
  readonly hook: NftHook;
  readonly priority: NftPriority;
  /** What becomes of packets that no rule decides on; `accept` unless given. */
  readonly policy?: "accept" | "drop";
  /** The links whose packets it sees: hook `ingress` and `egress` only. */
  readonly devices?: readonly string[];
}

export interface NftChain {
  readonly family: NftFamily;
  readonly table: string;
  readonly name: string;
  /** Absent for a chain that packets enter by a jump or goto only. */
  readonly base?: NftBaseChain;
  readonly comment?: string;
}

/** Types of keys and values. @see nft(8) "Data types" */
export type NftType =
  | "ipv4_addr"
  | "ipv6_addr"
  | "ether_addr"
  | "ether_type"
  | "inet_proto"
  | "inet_service"
  | "icmp_type"
  | "icmpv6_type"
  | "mark"
  | "ifname"
  | "iface_index"
  | "iface_type"
  | "nf_proto"
  | "ct_state"
  | "ct_status"
  | "ct_dir"
  | "fib_addrtype";

/**
 * One value, by its type: an address or prefix in text, a protocol's or state's name, an interface's name (an asterisk
 * at the end stands for any rest), a number for ports, marks and indexes.
 */
export type NftValue = string | number;

/** All values from one to another, both included. */
export interface NftRange {
  readonly from: NftValue;
  readonly to: NftValue;
}

/** A set of named elements, or a map from them to values or verdicts. */
export interface NftSet {
  readonly family: NftFamily;
  readonly table: string;
  readonly name: string;
  /** The type of an element; several for a concatenation. */
  readonly key: readonly NftType[];
  /** For a map: what elements lead to. */
  readonly data?: readonly NftType[] | "verdict";
  /** `interval`: elements may be ranges and prefixes. */
  readonly flags?: readonly NftSetFlag[];
  /** Milliseconds after which an element goes, unless it has its own. */
  readonly timeout?: number;
  /** Milliseconds between two searches for elements that have timed out. */
  readonly gcInterval?: number;
  /** The most elements that it takes. */
  readonly size?: number;
  readonly policy?: "performance" | "memory";
  readonly comment?: string;
}

export type NftSetFlag = "constant" | "dynamic" | "interval" | "timeout";

/** An element's key, or a map's value: one part for each part of the type. */
export type NftTuple = readonly (NftValue | NftRange)[];

/** Where a packet goes next. */
export type NftVerdict =
  | "accept"
  | "drop"
  | "continue"
  | "return"
  | { readonly jump: string }
  | { readonly goto: string };

/** What an element of an anonymous set or map says. */
export interface NftElementContent {
  readonly key: NftTuple;
  /** In a map to values. */
  readonly data?: NftTuple;
  /** In a map to verdicts. */
  readonly verdict?: NftVerdict;
  readonly comment?: string;
  /** Milliseconds after which it goes. */
  readonly timeout?: number;
}

/** An element of a named set or map, with what tells how its key is written. */
export interface NftElement extends NftElementContent {
  readonly set: NftSet;
}

/** A field of a packet, of its connection, or of its way through the kernel. */
export type NftKey =
  | "ether saddr"
  | "ether daddr"
  | "ether type"
  | "ip saddr"
  | "ip daddr"
  | "ip protocol"
  | "ip6 saddr"
  | "ip6 daddr"
  | "ip6 nexthdr"
  | "icmp type"
  | "icmpv6 type"
  | "tcp sport"
  | "tcp dport"
  | "udp sport"
  | "udp dport"
  | "sctp sport"
  | "sctp dport"
  | "th sport"
  | "th dport"
  | "iif"
  | "oif"
  | "iifname"
  | "oifname"
  | "meta iiftype"
  | "meta mark"
  | "meta nfproto"
  | "meta l4proto"
  | "meta protocol"
  | "ct state"
  | "ct status"
  | "ct mark"
  | "ct direction"
  | "fib daddr type"
  | "fib saddr type"
  | "fib daddr . iif type"
  | "fib saddr . iif type";

/** One field, or a concatenation of several. */
export type NftKeys = NftKey | readonly NftKey[];

/**
 * What a field is compared with: one value; a range; all elements of a named set; the values of an anonymous set
 * (tuples where fields are concatenated). For `ct state` and `ct status` a list of flags.
 */
export type NftOperand =
  | NftValue
  | NftRange
  | { readonly set: string }
  | { readonly anyOf: readonly (NftValue | NftRange | NftTuple)[] }
  | readonly string[];

/**
 * Without an operator fields are equal to the value or in the set, and of flags at least one is there; with `!` none
 * of the flags is there; with `==` and `!=` flags are compared as a whole.
 */
export type NftOperator = "==" | "!=" | "<" | "<=" | ">" | ">=" | "!";

export interface NftMatch {
  readonly kind: "match";
  readonly key: NftKeys;
  readonly operator?: NftOperator;
  /** The bits of the field that are looked at; for an address in its own text. */
  readonly mask?: NftValue;
  readonly value: NftOperand;
}

/** Looks the verdict up in a map: a named one, or the elements of an anonymous one. */
export interface NftVerdictMap {
  readonly kind: "vmap";
  readonly key: NftKeys;
  readonly map: string | readonly NftElementContent[];
}

export interface NftVerdictStatement {
  readonly kind: "verdict";
  readonly verdict: NftVerdict;
}

export type NftNatFlag = "random" | "fully-random" | "persistent";

/** Rewrites the source to the address of the link that the packet leaves by. */
export interface NftMasquerade {
  readonly kind: "masquerade";
  readonly ports?: number | NftRange;
  readonly flags?: readonly NftNatFlag[];
}

/** Rewrites the destination to this host. */
export interface NftRedirect {
  readonly kind: "redirect";
  readonly ports?: number | NftRange;
  readonly flags?: readonly NftNatFlag[];
}

/** Rewrites the source or the destination to an address, a port, or both; or to what a map has for the packet. */
export interface NftNat {
  readonly kind: "snat" | "dnat";
  /** Of the addresses; needed for them in a table that is for both. */
  readonly family?: "ip" | "ip6";
  readonly address?: string | NftRange;
  readonly ports?: number | NftRange;
  /** Instead of address and ports. */
  readonly map?: NftNatMap;
  readonly flags?: readonly NftNatFlag[];
}

/** A lookup in a named map whose values are addresses, or addresses with ports. */
export interface NftNatMap {
  readonly key: NftKeys;
  readonly name: string;
  /** Whether the values are `address . port`. */
  readonly ports: boolean;
}

export interface NftCounter {
  readonly kind: "counter";
  readonly packets?: number;
  readonly bytes?: number;
}

/** Writes a line into the kernel's log, or with a group to whoever listens to that. */
export interface NftLog {
  readonly kind: "log";
  readonly prefix?: string;
  /** `warn` unless given. */
  readonly level?: NftLogLevel;
  readonly group?: number;
  /** Bytes of the packet that go to the group. */
  readonly snaplen?: number;
  readonly queueThreshold?: number;
}

export type NftLogLevel = "emerg" | "alert" | "crit" | "err" | "warn" | "notice" | "info" | "debug" | "audit";

/** Matches as long as no more than `rate` come in a unit of time; with `over` once more come. */
export interface NftLimit {
  readonly kind: "limit";
  readonly rate: number;
  readonly per: "second" | "minute" | "hour" | "day" | "week";
  readonly unit: "packets" | "bytes";
  /** How many above the rate pass at once; 5 packets or no bytes unless given. */
  readonly burst?: number;
  readonly over?: boolean;
}

/** Drops the packet and tells its sender: by `port-unreachable` of the packet's family unless given. */
export interface NftReject {
  readonly kind: "reject";
  readonly with?: NftRejectAnswer;
}

export type NftRejectAnswer =
  | "tcp reset"
  | `icmpx ${"no-route" | "port-unreachable" | "host-unreachable" | "admin-prohibited"}`
  | `icmp ${"net-unreachable" | "host-unreachable" | "prot-unreachable" | "port-unreachable" | "net-prohibited" | "host-prohibited" | "admin-prohibited"}`
  | `icmpv6 ${"no-route" | "admin-prohibited" | "addr-unreachable" | "port-unreachable" | "policy-fail" | "reject-route"}`;

/** Keeps the packet out of connection tracking. */
export interface NftNotrack {
  readonly kind: "notrack";
}

/** Sets a mark: to a number, or to a field of which some bits are kept, flipped and set, in this order. */
export interface NftSetMark {
  readonly kind: "set";
  readonly key: "meta mark" | "ct mark";
  readonly value:
    | number
    | { readonly key: "meta mark" | "ct mark"; readonly and?: number; readonly xor?: number; readonly or?: number };
}

export type NftStatement =
  | NftMatch
  | NftVerdictMap
  | NftVerdictStatement
  | NftMasquerade
  | NftRedirect
  | NftNat
  | NftCounter
  | NftLog
  | NftLimit
  | NftReject
  | NftNotrack
  | NftSetMark;

export interface NftRule {
  readonly family: NftFamily;
  readonly table: string;
  readonly chain: string;
  readonly statements: readonly NftStatement[];
  readonly comment?: string;
}
