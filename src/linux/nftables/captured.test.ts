/** What we send for a wish against what nft(8) sends for the same one, attribute by attribute. */

import { describe, expect, test } from "bun:test";
import type { NftElement, NftRule, NftSet, NftStatement } from "../../core/nftables.ts";
import type { NetlinkRequest } from "../netlink/message.ts";
import { addChain, createChain, deleteChain } from "./chain.ts";
import { addElements, createElements, deleteElements } from "./element.ts";
import { addRule, deleteRule, flushChain, insertRule, replaceRule } from "./rule.ts";
import { addSet, deleteSet } from "./set.ts";
import { addTable, createTable, deleteTable } from "./table.ts";
import { CAPTURED } from "./test-support/captured.ts";
import { capturedLines, requestLines } from "./test-support/message-lines.ts";

const IN_T = { family: "inet", table: "t" } as const;
const S = { ...IN_T, name: "s" };
const set = (format: Omit<NftSet, "family" | "table">): NftSet => ({ ...IN_T, ...format });
const verdicts = set({ name: "v", key: ["ipv4_addr"], data: "verdict" });
const places = set({ name: "m", key: ["ipv4_addr", "inet_service"], data: ["ipv4_addr", "inet_service"] });
const pairs = set({ name: "p", key: ["ipv4_addr", "inet_service"], flags: ["interval"] });
const senders: NftSet = { family: "bridge", table: "b", name: "a", key: ["ifname", "ether_addr"] };

const elements = (of: NftSet, ...list: readonly Omit<NftElement, "set">[]) => list.map((one) => ({ set: of, ...one }));

function rule(chain: string, ...statements: readonly NftStatement[]): NftRule {
  return { ...IN_T, chain, statements };
}

const accept: NftStatement = { kind: "verdict", verdict: "accept" };
const drop: NftStatement = { kind: "verdict", verdict: "drop" };
const tcp80: NftStatement = { kind: "match", key: "tcp dport", value: 80 };

const OURS: { readonly [command: string]: readonly NetlinkRequest[] } = {
  "add table inet t": [addTable({ family: "inet", name: "t" })],
  'create table ip6 t { comment "ours"; }': [createTable({ family: "ip6", name: "t", comment: "ours" })],
  "delete table inet t": [deleteTable({ family: "inet", name: "t" })],
  "add chain inet t c": [addChain({ ...IN_T, name: "c" })],
  'add chain inet t c { comment "c"; }': [addChain({ ...IN_T, name: "c", comment: "c" })],
  "add chain inet t c { type filter hook forward priority filter - 5; policy drop; }": [
    addChain({
      ...IN_T,
      name: "c",
      base: { type: "filter", hook: "forward", priority: "filter - 5", policy: "drop" },
    }),
  ],
  "create chain inet t c { type nat hook postrouting priority srcnat; }": [
    createChain({ ...IN_T, name: "c", base: { type: "nat", hook: "postrouting", priority: "srcnat" } }),
  ],
  "delete chain inet t c": [deleteChain({ ...IN_T, name: "c" })],
  "add set inet t s { type ipv4_addr; }": [addSet({ ...S, key: ["ipv4_addr"] })],
  'add set inet t s { type ifname . ether_addr; timeout 5s; gc-interval 3s; size 100; comment "c"; }': [
    addSet({ ...S, key: ["ifname", "ether_addr"], timeout: 5000, gcInterval: 3000, size: 100, comment: "c" }),
  ],
  "add set inet t s { type ipv6_addr; flags interval; }": [addSet({ ...S, key: ["ipv6_addr"], flags: ["interval"] })],
  "add set inet t s { type ipv4_addr . inet_service; flags interval; }": [
    addSet({ ...S, key: ["ipv4_addr", "inet_service"], flags: ["interval"] }),
  ],
  "add set inet t s { type mark; policy memory; flags dynamic; }": [
    addSet({ ...S, key: ["mark"], policy: "memory", flags: ["dynamic"] }),
  ],
  "add map inet t s { type ipv4_addr : verdict; }": [addSet({ ...S, key: ["ipv4_addr"], data: "verdict" })],
  "add map inet t s { type ipv4_addr . inet_service : ipv4_addr . inet_service; }": [
    addSet({ ...S, key: ["ipv4_addr", "inet_service"], data: ["ipv4_addr", "inet_service"] }),
  ],
  "add map inet t s { type ipv4_addr : mark; flags interval; }": [
    addSet({ ...S, key: ["ipv4_addr"], data: ["mark"], flags: ["interval"] }),
  ],
  "delete set inet t s": [deleteSet(S)],
  'add element inet t v { 10.22.0.5 comment "net: mynet eth0" : goto c }': addElements(
    elements(verdicts, { key: ["10.22.0.5"], verdict: { goto: "c" }, comment: "net: mynet eth0" }),
  ),
  "create element inet t v { 10.22.0.5 : accept, 10.22.0.6 : drop }": createElements(
    elements(verdicts, { key: ["10.22.0.5"], verdict: "accept" }, { key: ["10.22.0.6"], verdict: "drop" }),
  ),
  "add element inet t m { 10.0.0.1 . 80 : 10.1.0.1 . 8080 }": addElements(
    elements(places, { key: ["10.0.0.1", 80], data: ["10.1.0.1", 8080] }),
  ),
  "add element inet t p { 10.0.0.0/8 . 80-90, 11.0.0.1 . 80 }": addElements(
    elements(pairs, { key: ["10.0.0.0/8", { from: 80, to: 90 }] }, { key: ["11.0.0.1", 80] }),
  ),
  "add element inet t w { 10.0.0.1 timeout 5m }": addElements(
    elements(set({ name: "w", key: ["ipv4_addr"], flags: ["timeout"] }), { key: ["10.0.0.1"], timeout: 300_000 }),
  ),
  "add element inet t i { 10.0.0.0/8, 255.0.0.0/8 }": addElements(
    elements(
      set({ name: "i", key: ["ipv4_addr"], flags: ["interval"] }),
      { key: ["10.0.0.0/8"] },
      { key: ["255.0.0.0/8"] },
    ),
  ),
  'add element bridge b a { "veth0" . 02:00:00:00:00:01 }': addElements(
    elements(senders, { key: ["veth0", "02:00:00:00:00:01"] }),
  ),
  "delete element inet t s { 10.0.0.1 }": deleteElements(elements({ ...S, key: ["ipv4_addr"] }, { key: ["10.0.0.1"] })),
  "flush chain inet t c": [flushChain({ ...IN_T, name: "c" })],
  "delete rule inet t c handle 2": [deleteRule({ ...IN_T, chain: "c" }, 2n)],
  "add rule inet t n ip saddr vmap @v": addRule(rule("n", { kind: "vmap", key: "ip saddr", map: "v" })),
  "add rule inet t c ip daddr 10.22.0.0/16 return": addRule(
    rule("c", { kind: "match", key: "ip daddr", value: "10.22.0.0/16" }, { kind: "verdict", verdict: "return" }),
  ),
  "add rule inet t c ip daddr 224.0.0.0/4 return": addRule(
    rule("c", { kind: "match", key: "ip daddr", value: "224.0.0.0/4" }, { kind: "verdict", verdict: "return" }),
  ),
  "add rule inet t n masquerade fully-random": addRule(rule("n", { kind: "masquerade", flags: ["fully-random"] })),
  "add rule inet t n meta l4proto tcp masquerade to :1024-65535 random": addRule(
    rule(
      "n",
      { kind: "match", key: "meta l4proto", value: "tcp" },
      { kind: "masquerade", ports: { from: 1024, to: 65535 }, flags: ["random"] },
    ),
  ),
  "add rule inet t n tcp dport 80 snat ip to 10.0.0.1-10.0.0.4:80-90 persistent": addRule(
    rule("n", tcp80, {
      kind: "snat",
      family: "ip",
      address: { from: "10.0.0.1", to: "10.0.0.4" },
      ports: { from: 80, to: 90 },
      flags: ["persistent"],
    }),
  ),
  "add rule inet t d meta l4proto tcp dnat ip to ip daddr . th dport map @m": addRule(
    rule(
      "d",
      { kind: "match", key: "meta l4proto", value: "tcp" },
      { kind: "dnat", family: "ip", map: { key: ["ip daddr", "th dport"], name: "m", ports: true } },
    ),
  ),
  "add rule inet t d tcp dport 80 dnat ip6 to [fd00::1]:8080": addRule(
    rule("d", tcp80, { kind: "dnat", family: "ip6", address: "fd00::1", ports: 8080 }),
  ),
  "add rule inet t d tcp dport 80 redirect to :8080": addRule(rule("d", tcp80, { kind: "redirect", ports: 8080 })),
  'add rule inet t c tcp dport { 80, 443 } accept comment "web"': addRule({
    ...rule("c", { kind: "match", key: "tcp dport", value: { anyOf: [80, 443] } }, accept),
    comment: "web",
  }),
  "add rule inet t c ip saddr { 10.0.0.0/8, 11.0.0.1 } drop": addRule(
    rule("c", { kind: "match", key: "ip saddr", value: { anyOf: ["10.0.0.0/8", "11.0.0.1"] } }, drop),
  ),
  "add rule inet t c ip saddr . tcp dport { 10.0.0.1 . 80-90 } drop": addRule(
    rule(
      "c",
      { kind: "match", key: ["ip saddr", "tcp dport"], value: { anyOf: [["10.0.0.1", { from: 80, to: 90 }]] } },
      drop,
    ),
  ),
  "add rule inet t c tcp dport vmap { 80 : accept, 443 : drop }": addRule(
    rule("c", {
      kind: "vmap",
      key: "tcp dport",
      map: [
        { key: [80], verdict: "accept" },
        { key: [443], verdict: "drop" },
      ],
    }),
  ),
  "add rule inet t c ip saddr != @s drop": addRule(
    rule("c", { kind: "match", key: "ip saddr", operator: "!=", value: { set: "s" } }, drop),
  ),
  "add rule inet t c ip6 saddr fe80::/10 accept": addRule(
    rule("c", { kind: "match", key: "ip6 saddr", value: "fe80::/10" }, accept),
  ),
  'add rule inet t c iifname "eth*" oifname != "lo" accept': addRule(
    rule(
      "c",
      { kind: "match", key: "iifname", value: "eth*" },
      { kind: "match", key: "oifname", operator: "!=", value: "lo" },
      accept,
    ),
  ),
  "add rule inet t c udp sport != 1000-2000 meta mark 5-7 jump x": addRule(
    rule(
      "c",
      { kind: "match", key: "udp sport", operator: "!=", value: { from: 1000, to: 2000 } },
      { kind: "match", key: "meta mark", value: { from: 5, to: 7 } },
      { kind: "verdict", verdict: { jump: "x" } },
    ),
  ),
  "add rule inet t c meta mark & 0xf0 == 0x10 meta mark > 0x5 accept": addRule(
    rule(
      "c",
      { kind: "match", key: "meta mark", mask: 0xf0, value: 0x10 },
      { kind: "match", key: "meta mark", operator: ">", value: 5 },
      accept,
    ),
  ),
  "add rule inet t c ct state established,related accept": addRule(
    rule("c", { kind: "match", key: "ct state", value: ["established", "related"] }, accept),
  ),
  "add rule inet t c ct state ! invalid ct status != dnat ct direction original continue": addRule(
    rule(
      "c",
      { kind: "match", key: "ct state", operator: "!", value: "invalid" },
      { kind: "match", key: "ct status", operator: "!=", value: "dnat" },
      { kind: "match", key: "ct direction", value: "original" },
      { kind: "verdict", verdict: "continue" },
    ),
  ),
  "add rule inet t c fib daddr . iif type local fib saddr type != unicast": addRule(
    rule(
      "c",
      { kind: "match", key: "fib daddr . iif type", value: "local" },
      { kind: "match", key: "fib saddr type", operator: "!=", value: "unicast" },
    ),
  ),
  "add rule inet t c notrack": addRule(rule("c", { kind: "notrack" })),
  'add rule inet t c counter packets 5 bytes 300 log prefix "x: " level info': addRule(
    rule("c", { kind: "counter", packets: 5, bytes: 300 }, { kind: "log", prefix: "x: ", level: "info" }),
  ),
  'add rule inet t c log prefix "x" group 3 snaplen 20 queue-threshold 4': addRule(
    rule("c", { kind: "log", prefix: "x", group: 3, snaplen: 20, queueThreshold: 4 }),
  ),
  "add rule inet t c limit rate over 10/minute burst 7 packets limit rate 10 kbytes/second drop": addRule(
    rule(
      "c",
      { kind: "limit", rate: 10, per: "minute", unit: "packets", burst: 7, over: true },
      { kind: "limit", rate: 10240, per: "second", unit: "bytes" },
      drop,
    ),
  ),
  "add rule inet t c ip saddr 10.0.0.1 reject": addRule(
    rule("c", { kind: "match", key: "ip saddr", value: "10.0.0.1" }, { kind: "reject" }),
  ),
  "add rule inet t c reject with tcp reset": addRule(rule("c", { kind: "reject", with: "tcp reset" })),
  "add rule inet t c reject with icmpx admin-prohibited": addRule(
    rule("c", { kind: "reject", with: "icmpx admin-prohibited" }),
  ),
  "add rule inet t c meta mark set 0x5 ct mark set meta mark meta mark set meta mark | 0x4000": addRule(
    rule(
      "c",
      { kind: "set", key: "meta mark", value: 5 },
      { kind: "set", key: "ct mark", value: { key: "meta mark" } },
      { kind: "set", key: "meta mark", value: { key: "meta mark", or: 0x4000 } },
    ),
  ),
  "add rule inet t c ether saddr 02:00:00:00:00:01 accept": addRule(
    rule("c", { kind: "match", key: "ether saddr", value: "02:00:00:00:00:01" }, accept),
  ),
  "add rule inet t c icmpv6 type nd-redirect meta l4proto ipv6-icmp": addRule(
    rule(
      "c",
      { kind: "match", key: "icmpv6 type", value: "nd-redirect" },
      { kind: "match", key: "meta l4proto", value: "ipv6-icmp" },
    ),
  ),
  "insert rule inet t c ip saddr 10.0.0.1 accept": insertRule(
    rule("c", { kind: "match", key: "ip saddr", value: "10.0.0.1" }, accept),
  ),
  "replace rule inet t c handle 2 drop": replaceRule(rule("c", drop), 2n),
  "add rule bridge b c iifname . ether saddr != @a ip saddr 10.0.0.1 drop": addRule({
    family: "bridge",
    table: "b",
    chain: "c",
    statements: [
      { kind: "match", key: ["iifname", "ether saddr"], operator: "!=", value: { set: "a" } },
      { kind: "match", key: "ip saddr", value: "10.0.0.1" },
      drop,
    ],
  }),
  "add rule ip t c ip daddr 10.0.0.1 tcp dport 80 reject": addRule({
    family: "ip",
    table: "t",
    chain: "c",
    statements: [{ kind: "match", key: "ip daddr", value: "10.0.0.1" }, tcp80, { kind: "reject" }],
  }),
};

/**
 * Where we mean to send something else. nft numbers every set, we only those without a name. It lists elements by
 * number, the kernel by one type. It begins a set of ranges with an end at zero, which the kernel does without. It
 * keeps by which fields the set of a rule was declared, which it reads again for sets declared by `typeof` only, and
 * that it joined the ranges of a rule's set. And it says of some bitwise expressions that they are of kind 0, which is
 * what they are without.
 */
function withoutIntended(message: readonly string[]): string[] {
  const [head = ""] = message;
  const isSet = head.startsWith("type 0xa09");
  const isList = head.startsWith("type 0xa0c") || head.startsWith("type 0xa0e");
  let expression = "";
  let lines = message.flatMap((line) => {
    if (line.startsWith("4.1.1 ")) expression = line.replace(/.*"(.*)"$/, "$1");
    if ((isSet && line.startsWith("10 ")) || (isList && line.startsWith("4 "))) return [];
    if (expression === "lookup" && line.startsWith("4.1.2.4 ")) return [];
    if (expression === "bitwise" && line === "4.1.2.6 00000000") return [];
    if (isSet && line.startsWith("13 ")) return [withoutFields(line)];
    return [isList ? line.replace(/^3\.[0-9]+/, "3.1") : line];
  });
  const at = isList ? lines.findIndex((line, i) => /^3\.1\.1\.1 (00)+$/.test(line) && lines[i - 2] === END) : -1;
  if (at >= 0) lines = lines.toSpliced(at - 3, 4);
  return lines;
}

const END = "3.1.3 00000001";

/** User data of a set without the items of types 2 to 4. */
function withoutFields(line: string): string {
  const bytes = Buffer.from(line.slice(3), "hex");
  const kept: string[] = [];
  for (let at = 0; at < bytes.length; at += 2 + (bytes[at + 1] ?? 0)) {
    const item = bytes.subarray(at, at + 2 + (bytes[at + 1] ?? 0));
    if (![2, 3, 4].includes(item[0] ?? 0)) kept.push(item.toString("hex"));
  }
  return `13 ${kept.join("")}`;
}

/** The end at zero counts as an element. */
const SIZES: { readonly [command: string]: readonly [theirs: string, ours: string] } = {
  "add rule inet t c ip saddr { 10.0.0.0/8, 11.0.0.1 } drop": ["9.1 00000005", "9.1 00000004"],
};

describe("we send what nft(8) sends for", () => {
  for (const [command, captured] of Object.entries(CAPTURED)) {
    test(command, () => {
      const ours = OURS[command]?.map(requestLines) ?? [];
      const [from, to] = SIZES[command] ?? ["", ""];
      const theirs = captured.map((message) => capturedLines(message).map((line) => (line === from ? to : line)));
      expect(ours.map(withoutIntended)).toEqual(theirs.map(withoutIntended));
    });
  }
});

test("each command of ours has its capture", () => {
  expect(Object.keys(OURS).sort()).toEqual(Object.keys(CAPTURED).sort());
});
