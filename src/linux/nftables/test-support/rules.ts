/** Rules of every kind with their text in nft(8)'s syntax, in the tables and chains that take them. */

import type { NftBaseChain, NftFamily, NftSet, NftStatement, NftVerdict } from "../../../core/nftables.ts";

export interface RuleCase {
  readonly text: string;
  readonly statements: readonly NftStatement[];
  readonly comment?: string;
}

export interface ChainCase {
  readonly name: string;
  readonly base?: NftBaseChain;
  readonly rules: readonly RuleCase[];
}

export interface TableCase {
  readonly family: NftFamily;
  readonly name: string;
  readonly sets: readonly NftSet[];
  readonly chains: readonly ChainCase[];
}

const verdict = (to: NftVerdict): NftStatement => ({ kind: "verdict", verdict: to });
const accept = verdict("accept");
const drop = verdict("drop");

/** A rule of one match that accepts. */
function matching(text: string, match: Omit<Extract<NftStatement, { kind: "match" }>, "kind">): RuleCase {
  return { text: `${text} accept`, statements: [{ kind: "match", ...match }, accept] };
}

/** A rule of one statement. */
function single(text: string, statement: NftStatement): RuleCase {
  return { text, statements: [statement] };
}

const INET = { family: "inet", table: "main" } as const;
const addresses: NftSet = { ...INET, name: "addresses", key: ["ipv4_addr"], flags: ["interval"] };
const places: NftSet = { ...INET, name: "places", key: ["ipv4_addr", "inet_service"] };
const verdicts: NftSet = { ...INET, name: "verdicts", key: ["ipv4_addr"], data: "verdict" };
const ports: NftSet = {
  ...INET,
  name: "ports",
  key: ["ipv4_addr", "inet_service"],
  data: ["ipv4_addr", "inet_service"],
};
const hosts: NftSet = { ...INET, name: "hosts", key: ["ipv6_addr"], data: ["ipv6_addr"] };

export const matches: readonly RuleCase[] = [
  matching("ip saddr 10.0.0.1", { key: "ip saddr", value: "10.0.0.1" }),
  matching("ip saddr != 10.0.0.1", { key: "ip saddr", operator: "!=", value: "10.0.0.1" }),
  matching("ip saddr 10.0.0.1", { key: "ip saddr", value: "10.0.0.1/32" }),
  matching("ip daddr 10.0.0.0/8", { key: "ip daddr", value: "10.0.0.0/8" }),
  matching("ip daddr 10.1.0.0/20", { key: "ip daddr", value: "10.1.2.3/20" }),
  matching("ip daddr != 10.1.0.0/16", { key: "ip daddr", operator: "!=", value: "10.1.0.0/16" }),
  matching("ip daddr 0.0.0.0/0", { key: "ip daddr", value: "0.0.0.0/0" }),
  matching("ip saddr 10.0.0.1-10.0.0.7", { key: "ip saddr", value: { from: "10.0.0.1", to: "10.0.0.7" } }),
  matching("ip saddr != 10.0.0.1-10.0.0.7", {
    key: "ip saddr",
    operator: "!=",
    value: { from: "10.0.0.1", to: "10.0.0.7" },
  }),
  matching("ip saddr & 0.0.0.255 == 0.0.0.4", { key: "ip saddr", mask: "0.0.0.255", value: "0.0.0.4" }),
  matching("ip saddr @addresses", { key: "ip saddr", value: { set: "addresses" } }),
  matching("ip saddr != @addresses", { key: "ip saddr", operator: "!=", value: { set: "addresses" } }),
  matching("ip saddr { 10.0.0.1, 10.0.0.9 }", { key: "ip saddr", value: { anyOf: ["10.0.0.9", "10.0.0.1"] } }),
  matching("ip saddr { 10.0.0.0/8, 11.0.0.1, 12.0.0.0-13.0.0.5 }", {
    key: "ip saddr",
    value: { anyOf: ["11.0.0.1", "10.0.0.0/8", { from: "12.0.0.0", to: "13.0.0.5" }] },
  }),
  matching("ip saddr != { 10.0.0.0/8, 255.0.0.0/8 }", {
    key: "ip saddr",
    operator: "!=",
    value: { anyOf: ["10.0.0.0/8", "255.0.0.0/8"] },
  }),
  matching("ip daddr . tcp dport @places", { key: ["ip daddr", "tcp dport"], value: { set: "places" } }),
  matching("ip saddr . tcp dport { 10.0.0.2 . 80, 10.0.0.1 . 443 }", {
    key: ["ip saddr", "tcp dport"],
    value: {
      anyOf: [
        ["10.0.0.1", 443],
        ["10.0.0.2", 80],
      ],
    },
  }),
  matching("ip saddr . tcp dport { 10.0.0.0/8 . 80-90, 11.0.0.1 . 443 }", {
    key: ["ip saddr", "tcp dport"],
    value: {
      anyOf: [
        ["10.0.0.0/8", { from: 80, to: 90 }],
        ["11.0.0.1", 443],
      ],
    },
  }),
  matching("ip protocol tcp", { key: "ip protocol", value: "tcp" }),
  matching("ip6 saddr fd00::1", { key: "ip6 saddr", value: "fd00::1" }),
  matching("ip6 daddr fe80::/10", { key: "ip6 daddr", value: "fe80::/10" }),
  matching("ip6 daddr fd00::/64", { key: "ip6 daddr", value: "fd00::/64" }),
  matching("ip6 nexthdr udp", { key: "ip6 nexthdr", value: 17 }),
  matching("icmp type echo-request", { key: "icmp type", value: "echo-request" }),
  matching("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }", {
    key: "icmpv6 type",
    value: { anyOf: ["nd-neighbor-solicit", "nd-neighbor-advert"] },
  }),
  matching("tcp dport 80", { key: "tcp dport", value: 80 }),
  matching("tcp dport { 80, 443 }", { key: "tcp dport", value: { anyOf: [443, 80] } }),
  matching("tcp dport { 80, 100-200 }", { key: "tcp dport", value: { anyOf: [{ from: 100, to: 200 }, 80] } }),
  matching("tcp dport 1000-2000", { key: "tcp dport", value: { from: 1000, to: 2000 } }),
  matching("tcp dport != 1000-2000", { key: "tcp dport", operator: "!=", value: { from: 1000, to: 2000 } }),
  matching("udp sport < 1024", { key: "udp sport", operator: "<", value: 1024 }),
  matching("udp sport >= 1024", { key: "udp sport", operator: ">=", value: 1024 }),
  matching("sctp dport 5", { key: "sctp dport", value: 5 }),
  {
    text: "meta l4proto { tcp, udp } th dport 53 accept",
    statements: [
      { kind: "match", key: "meta l4proto", value: { anyOf: ["udp", "tcp"] } },
      { kind: "match", key: "th dport", value: 53 },
      accept,
    ],
  },
  matching("meta l4proto icmp", { key: "meta l4proto", value: "icmp" }),
  matching("meta l4proto 99", { key: "meta l4proto", value: 99 }),
  matching("meta nfproto ipv6", { key: "meta nfproto", value: "ipv6" }),
  matching("meta protocol arp", { key: "meta protocol", value: "arp" }),
  matching("meta mark 0x00000010", { key: "meta mark", value: 0x10 }),
  matching("meta mark != 0x00000010", { key: "meta mark", operator: "!=", value: 0x10 }),
  matching("meta mark & 0x000000f0 == 0x00000010", { key: "meta mark", mask: 0xf0, value: 0x10 }),
  matching("meta mark 0x80000000/1", { key: "meta mark", mask: 0x80000000, value: 0x80000000 }),
  matching("meta mark != 0x12000000/8", { key: "meta mark", mask: 0xff000000, operator: "!=", value: 0x12000000 }),
  matching("meta mark 0x00000007", { key: "meta mark", mask: 0xffffffff, value: 7 }),
  matching("meta mark & 0xf0000000 > 0x10000000", {
    key: "meta mark",
    mask: 0xf0000000,
    operator: ">",
    value: 0x10000000,
  }),
  matching("meta mark & 0x000000f0 != 0x00000000", { key: "meta mark", mask: 0xf0, operator: "!=", value: 0 }),
  matching("meta mark & 0x00000003 == { 0x00000001, 0x00000002 }", {
    key: "meta mark",
    mask: 3,
    value: { anyOf: [1, 2] },
  }),
  matching("meta mark 0x00000005-0x00000007", { key: "meta mark", value: { from: 5, to: 7 } }),
  matching("meta mark != 0x00000005-0x00000007", { key: "meta mark", operator: "!=", value: { from: 5, to: 7 } }),
  matching("meta mark > 0x00000005", { key: "meta mark", operator: ">", value: 5 }),
  matching("meta mark { 0x00000001, 0x00000100-0x00000200 }", {
    key: "meta mark",
    value: { anyOf: [{ from: 0x100, to: 0x200 }, 1] },
  }),
  matching(`iifname "eth0"`, { key: "iifname", value: "eth0" }),
  matching(`iifname "eth*"`, { key: "iifname", value: "eth*" }),
  matching(`iifname "eth\\*"`, { key: "iifname", value: "eth\\*" }),
  matching(`oifname != "lo"`, { key: "oifname", operator: "!=", value: "lo" }),
  matching(`oifname { "eth0", "veth1" }`, { key: "oifname", value: { anyOf: ["eth0", "veth1"] } }),
  matching("iif 77", { key: "iif", value: 77 }),
  matching("oif != 77", { key: "oif", operator: "!=", value: 77 }),
  matching("meta iiftype loopback", { key: "meta iiftype", value: "loopback" }),
  matching("ether saddr 02:00:00:00:00:01", { key: "ether saddr", value: "02:00:00:00:00:01" }),
  matching("ct state new", { key: "ct state", value: "new" }),
  matching("ct state established,related", { key: "ct state", value: ["related", "established"] }),
  matching("ct state != established", { key: "ct state", operator: "!=", value: "established" }),
  matching("ct state ! invalid", { key: "ct state", operator: "!", value: ["invalid"] }),
  matching("ct state == established", { key: "ct state", operator: "==", value: "established" }),
  matching("ct state { established, related }", { key: "ct state", value: { anyOf: ["established", "related"] } }),
  matching("ct status dnat", { key: "ct status", value: "dnat" }),
  matching("ct direction reply", { key: "ct direction", value: "reply" }),
  matching("ct mark 0x00000000/1", { key: "ct mark", mask: 0x80000000, value: 0 }),
  matching("ct mark & 0x000000ff == 0x00000010", { key: "ct mark", mask: 0xff, value: 0x10 }),
  {
    text: `ip saddr 10.0.0.0/8 ip daddr != 10.0.0.0/8 oifname "eth0" drop`,
    statements: [
      { kind: "match", key: "ip saddr", value: "10.0.0.0/8" },
      { kind: "match", key: "ip daddr", operator: "!=", value: "10.0.0.0/8" },
      { kind: "match", key: "oifname", value: "eth0" },
      drop,
    ],
  },
  {
    text: "ip saddr 10.0.0.1 ip daddr 10.0.0.2 tcp sport 5 tcp dport 80 accept",
    statements: [
      { kind: "match", key: "ip saddr", value: "10.0.0.1" },
      { kind: "match", key: "ip daddr", value: "10.0.0.2" },
      { kind: "match", key: "tcp sport", value: 5 },
      { kind: "match", key: "tcp dport", value: 80 },
      accept,
    ],
  },
  {
    text: "ether saddr 02:00:00:00:00:01 ip saddr 10.0.0.1 accept",
    statements: [
      { kind: "match", key: "ether saddr", value: "02:00:00:00:00:01" },
      { kind: "match", key: "ip saddr", value: "10.0.0.1" },
      accept,
    ],
  },
  {
    text: "ip saddr 10.0.0.1 tcp dport 80 accept",
    statements: [
      { kind: "match", key: "ip saddr", value: "10.0.0.1" },
      { kind: "match", key: "tcp dport", value: 80 },
      accept,
    ],
  },
  {
    text: "meta nfproto ipv4 counter packets 0 bytes 0 ip saddr 10.0.0.1 accept",
    statements: [
      { kind: "match", key: "meta nfproto", value: "ipv4" },
      { kind: "counter" },
      { kind: "match", key: "ip saddr", value: "10.0.0.1" },
      accept,
    ],
  },
];

export const actions: readonly RuleCase[] = [
  single("accept", accept),
  single("drop", drop),
  single("continue", verdict("continue")),
  single("return", verdict("return")),
  single("jump last", verdict({ jump: "last" })),
  single("goto last", verdict({ goto: "last" })),
  single("ip saddr vmap @verdicts", { kind: "vmap", key: "ip saddr", map: "verdicts" }),
  single("tcp dport vmap { 80 : accept, 90-99 : jump last }", {
    kind: "vmap",
    key: "tcp dport",
    map: [
      { key: [{ from: 90, to: 99 }], verdict: { jump: "last" } },
      { key: [80], verdict: "accept" },
    ],
  }),
  single("counter packets 5 bytes 300", { kind: "counter", packets: 5, bytes: 300 }),
  single("log", { kind: "log" }),
  single(`log prefix "seen: " level debug`, { kind: "log", prefix: "seen: ", level: "debug" }),
  single(`log prefix "x" group 3 snaplen 20 queue-threshold 4`, {
    kind: "log",
    prefix: "x",
    group: 3,
    snaplen: 20,
    queueThreshold: 4,
  }),
  single("limit rate 10/second", { kind: "limit", rate: 10, per: "second", unit: "packets" }),
  single("limit rate over 5/minute burst 10 packets", {
    kind: "limit",
    rate: 5,
    per: "minute",
    unit: "packets",
    burst: 10,
    over: true,
  }),
  single("limit rate 10 kbytes/second burst 20 mbytes", {
    kind: "limit",
    rate: 10240,
    per: "second",
    unit: "bytes",
    burst: 20 * 1024 * 1024,
  }),
  single("limit rate 1025 bytes/day", { kind: "limit", rate: 1025, per: "day", unit: "bytes" }),
  single("reject", { kind: "reject" }),
  single("meta l4proto tcp reject with tcp reset", { kind: "reject", with: "tcp reset" }),
  single("reject with icmpx admin-prohibited", { kind: "reject", with: "icmpx admin-prohibited" }),
  single("reject with icmp host-unreachable", { kind: "reject", with: "icmp host-unreachable" }),
  single("reject with icmpv6 no-route", { kind: "reject", with: "icmpv6 no-route" }),
  {
    text: "ip saddr 10.0.0.1 reject with icmp port-unreachable",
    statements: [{ kind: "match", key: "ip saddr", value: "10.0.0.1" }, { kind: "reject" }],
  },
  single("meta mark set 0x00000005", { kind: "set", key: "meta mark", value: 5 }),
  single("meta mark set ct mark", { kind: "set", key: "meta mark", value: { key: "ct mark" } }),
  single("meta mark set meta mark | 0x00004000", {
    kind: "set",
    key: "meta mark",
    value: { key: "meta mark", or: 0x4000 },
  }),
  single("meta mark set meta mark & 0x0000ffff ^ 0x00000001", {
    kind: "set",
    key: "meta mark",
    value: { key: "meta mark", and: 0xffff, xor: 1 },
  }),
  single("ct mark set meta mark", { kind: "set", key: "ct mark", value: { key: "meta mark" } }),
  single("ct mark set 0x80000000", { kind: "set", key: "ct mark", value: 0x80000000 }),
  { text: `accept comment "web: first"`, statements: [accept], comment: "web: first" },
];

const sourceNat: readonly RuleCase[] = [
  single("masquerade", { kind: "masquerade" }),
  single("masquerade random", { kind: "masquerade", flags: ["random"] }),
  single("masquerade fully-random,persistent", { kind: "masquerade", flags: ["persistent", "fully-random"] }),
  {
    text: "meta l4proto tcp masquerade to :1024-65535",
    statements: [
      { kind: "match", key: "meta l4proto", value: "tcp" },
      { kind: "masquerade", ports: { from: 1024, to: 65535 } },
    ],
  },
  single("snat ip to 10.0.0.1", { kind: "snat", family: "ip", address: "10.0.0.1" }),
  single("snat ip6 to fd00::1-fd00::9 persistent", {
    kind: "snat",
    family: "ip6",
    address: { from: "fd00::1", to: "fd00::9" },
    flags: ["persistent"],
  }),
  {
    text: "ip saddr 10.1.0.0/16 tcp dport 80 snat ip to 10.0.0.1-10.0.0.4:80-90 random",
    statements: [
      { kind: "match", key: "ip saddr", value: "10.1.0.0/16" },
      { kind: "match", key: "tcp dport", value: 80 },
      {
        kind: "snat",
        family: "ip",
        address: { from: "10.0.0.1", to: "10.0.0.4" },
        ports: { from: 80, to: 90 },
        flags: ["random"],
      },
    ],
  },
];

const tcp80: NftStatement = { kind: "match", key: "tcp dport", value: 80 };

const destinationNat: readonly RuleCase[] = [
  {
    text: "meta l4proto { tcp, udp } dnat ip to ip daddr . th dport map @ports",
    statements: [
      { kind: "match", key: "meta l4proto", value: { anyOf: ["tcp", "udp"] } },
      {
        kind: "dnat",
        family: "ip",
        map: { key: ["ip daddr", "th dport"], name: "ports", ports: true },
      },
    ],
  },
  single("dnat ip6 to ip6 saddr map @hosts", {
    kind: "dnat",
    family: "ip6",
    map: { key: "ip6 saddr", name: "hosts", ports: false },
  }),
  {
    text: "tcp dport 80 dnat ip to 10.0.0.1:8080",
    statements: [tcp80, { kind: "dnat", family: "ip", address: "10.0.0.1", ports: 8080 }],
  },
  {
    text: "tcp dport 80 dnat ip6 to [fd00::1]-[fd00::2]:80-90",
    statements: [
      tcp80,
      { kind: "dnat", family: "ip6", address: { from: "fd00::1", to: "fd00::2" }, ports: { from: 80, to: 90 } },
    ],
  },
  { text: "tcp dport 80 dnat to :8080", statements: [tcp80, { kind: "dnat", ports: 8080 }] },
  single("redirect", { kind: "redirect" }),
  {
    text: "tcp dport 80 redirect to :8080-8090 fully-random",
    statements: [tcp80, { kind: "redirect", ports: { from: 8080, to: 8090 }, flags: ["fully-random"] }],
  },
];

const lookups: readonly RuleCase[] = [
  matching("fib daddr type local", { key: "fib daddr type", value: "local" }),
  matching("fib daddr . iif type != local", { key: "fib daddr . iif type", operator: "!=", value: "local" }),
  matching("fib saddr type { unicast, local }", { key: "fib saddr type", value: { anyOf: ["local", "unicast"] } }),
  single("notrack", { kind: "notrack" }),
];

const BRIDGE = { family: "bridge", table: "frames" } as const;
const guarded: NftSet = { ...BRIDGE, name: "guarded", key: ["ifname"], comment: "ports" };
const allowed: NftSet = { ...BRIDGE, name: "allowed", key: ["ifname", "ether_addr"] };

const frames: readonly RuleCase[] = [
  {
    text: "iifname @guarded iifname . ether saddr != @allowed drop",
    statements: [
      { kind: "match", key: "iifname", value: { set: "guarded" } },
      { kind: "match", key: ["iifname", "ether saddr"], operator: "!=", value: { set: "allowed" } },
      drop,
    ],
  },
  matching("ether saddr 02:00:00:00:00:01", { key: "ether saddr", value: "02:00:00:00:00:01" }),
  matching("ether daddr != 02:00:00:00:00:01", { key: "ether daddr", operator: "!=", value: "02:00:00:00:00:01" }),
  matching("ether type arp", { key: "ether type", value: "arp" }),
  matching("ether type 0x9000", { key: "ether type", value: 0x9000 }),
  matching("meta protocol ip6", { key: "meta protocol", value: "ip6" }),
  matching("ip saddr 10.0.0.1", { key: "ip saddr", value: "10.0.0.1" }),
  matching("ip6 saddr fd00::/64", { key: "ip6 saddr", value: "fd00::/64" }),
  matching("tcp dport 80", { key: "tcp dport", value: 80 }),
  matching("icmp type echo-request", { key: "icmp type", value: "echo-request" }),
];

const single4: readonly RuleCase[] = [
  matching("ip saddr 10.0.0.1", { key: "ip saddr", value: "10.0.0.1" }),
  matching("icmp type echo-reply", { key: "icmp type", value: "echo-reply" }),
  matching("ether saddr 02:00:00:00:00:01", { key: "ether saddr", value: "02:00:00:00:00:01" }),
  single("reject", { kind: "reject" }),
  single("reject with icmp net-unreachable", { kind: "reject", with: "icmp net-unreachable" }),
  single("reject with tcp reset", { kind: "reject", with: "tcp reset" }),
];

export const tables: readonly TableCase[] = [
  {
    family: "inet",
    name: "main",
    sets: [addresses, places, verdicts, ports, hosts],
    chains: [
      { name: "last", rules: [] },
      {
        name: "matches",
        base: { type: "filter", hook: "input", priority: "filter - 5", policy: "drop" },
        rules: matches,
      },
      { name: "actions", base: { type: "filter", hook: "forward", priority: 20 }, rules: actions },
      { name: "lookups", base: { type: "filter", hook: "prerouting", priority: "raw" }, rules: lookups },
      { name: "source", base: { type: "nat", hook: "postrouting", priority: "srcnat" }, rules: sourceNat },
      { name: "destination", base: { type: "nat", hook: "prerouting", priority: -90 }, rules: destinationNat },
    ],
  },
  {
    family: "bridge",
    name: "frames",
    sets: [guarded, allowed],
    chains: [{ name: "first", base: { type: "filter", hook: "prerouting", priority: "dstnat" }, rules: frames }],
  },
  {
    family: "ip",
    name: "four",
    sets: [],
    chains: [
      { name: "in", base: { type: "filter", hook: "input", priority: "mangle + 3" }, rules: single4 },
      {
        name: "nat",
        base: { type: "nat", hook: "output", priority: -100 },
        rules: [single("dnat to 10.0.0.1", { kind: "dnat", address: "10.0.0.1" })],
      },
      { name: "route", base: { type: "route", hook: "output", priority: "mangle" }, rules: [] },
    ],
  },
  {
    family: "ip6",
    name: "six",
    sets: [],
    chains: [
      {
        name: "in",
        base: { type: "filter", hook: "input", priority: "security" },
        rules: [
          matching("ip6 saddr fd00::1", { key: "ip6 saddr", value: "fd00::1" }),
          matching("icmpv6 type echo-reply", { key: "icmpv6 type", value: "echo-reply" }),
          single("reject", { kind: "reject" }),
        ],
      },
    ],
  },
  {
    family: "arp",
    name: "who-has",
    sets: [],
    chains: [
      { name: "in", base: { type: "filter", hook: "input", priority: "filter" }, rules: [single("drop", drop)] },
    ],
  },
  {
    family: "netdev",
    name: "early",
    sets: [],
    chains: [
      {
        name: "in",
        base: { type: "filter", hook: "ingress", priority: 5, devices: ["lo"] },
        rules: [matching("ip saddr 10.0.0.1", { key: "ip saddr", value: "10.0.0.1" })],
      },
    ],
  },
];
