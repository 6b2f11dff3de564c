import { describe, expect, test } from "bun:test";
import type { NftBaseChain, NftElementContent, NftMatch, NftStatement } from "../core/nftables.ts";
import type { ReadStatement } from "../linux/nftables/decompile/reader.ts";
import type { TableContent } from "../linux/nftables/ruleset.ts";
import { verdictAt } from "./filter.ts";
import type { Packet } from "./packet.ts";

const PACKET: Packet = {
  family: 4,
  source: "10.1.0.2",
  destination: "10.1.0.3",
  protocol: "tcp",
  destinationPort: 80,
  input: "veth1",
  output: "eth0",
  state: "new",
  mark: 0,
};
const V6: Packet = { ...PACKET, family: 6, source: "fd00::2", destination: "fd00::3" };

const accept: NftStatement = { kind: "verdict", verdict: "accept" };
const drop: NftStatement = { kind: "verdict", verdict: "drop" };
const doubtful: ReadStatement = { kind: "unknown", expression: "socket" };
const match = (key: NftMatch["key"], value: NftMatch["value"], more: Partial<NftMatch> = {}): NftStatement => ({
  kind: "match",
  key,
  value,
  ...more,
});
const goto = (name: string): NftStatement => ({ kind: "verdict", verdict: { goto: name } });
const jump = (name: string): NftStatement => ({ kind: "verdict", verdict: { jump: name } });

type Rules = readonly (readonly ReadStatement[])[];

interface TableOptions {
  readonly name?: string;
  readonly base?: Partial<NftBaseChain>;
  readonly chains?: Readonly<Record<string, Rules>>;
  readonly sets?: Readonly<Record<string, readonly NftElementContent[]>>;
}

/** A table with a base chain at the hook `forward`. */
function table(rules: Rules, { name = "t", base, chains = {}, sets = {} }: TableOptions = {}): TableContent {
  const inTable = { family: "inet", table: name } as const;
  const whole = { type: "filter", hook: "forward", priority: "filter", policy: "accept", ...base } as const;
  const asRules = (list: Rules) => list.map((statements) => ({ statements }));
  return {
    table: { family: "inet", name },
    sets: Object.entries(sets).map(([set, elements]) => ({
      set: { ...inTable, name: set, key: ["ipv4_addr"] },
      elements,
    })),
    chains: [
      { chain: { ...inTable, name: "base", base: whole }, rules: asRules(rules) },
      ...Object.entries(chains).map(([chain, list]) => ({ chain: { ...inTable, name: chain }, rules: asRules(list) })),
    ],
  };
}

const outcome = (content: TableContent | readonly TableContent[], packet = PACKET) =>
  verdictAt(Array.isArray(content) ? content : [content as TableContent], "forward", packet).outcome;
/** Whether a rule that drops what it matches drops the packet. */
const isMatched = (statement: NftStatement, packet = PACKET, options: TableOptions = {}) => {
  const found = outcome(table([[statement, drop]], options), packet);
  return found === "unknown" ? "unknown" : found === "drop";
};

describe("a match is decided for", () => {
  test("addresses, networks and ranges, of the packet's family alone", () => {
    expect(isMatched(match("ip saddr", "10.1.0.2"))).toBe(true);
    expect(isMatched(match("ip saddr", "10.1.0.0/24"))).toBe(true);
    expect(isMatched(match("ip daddr", { from: "10.1.0.3", to: "10.1.0.9" }))).toBe(true);
    expect(isMatched(match("ip daddr", { from: "10.1.0.4", to: "10.1.0.9" }))).toBe(false);
    expect(isMatched(match("ip daddr", "10.1.0.3", { operator: "!=" }))).toBe(false);
    expect(isMatched(match("ip saddr", "10.1.0.0", { mask: "255.255.255.0" }))).toBe(true);
    expect(isMatched(match("ip6 saddr", "fd00::/64"))).toBe(false);
    expect(isMatched(match("ip6 saddr", "fd00::/64"), V6)).toBe(true);
    // A rule about another family is not taken, whatever its sense.
    expect(isMatched(match("ip saddr", "10.1.0.2", { operator: "!=" }), V6)).toBe(false);
  });

  test("links, with any rest of their name", () => {
    expect(isMatched(match("iifname", "veth1"))).toBe(true);
    expect(isMatched(match("iifname", "veth*"))).toBe(true);
    expect(isMatched(match("oifname", "veth*"))).toBe(false);
    expect(isMatched(match(["iifname", "oifname"], { anyOf: [["veth1", "eth0"]] }))).toBe(true);
    expect(isMatched(match(["iifname", "oifname"], { anyOf: [["veth1", "eth1"]] }))).toBe(false);
  });

  test("protocols and ports", () => {
    expect(isMatched(match("tcp dport", 80))).toBe(true);
    expect(isMatched(match("tcp dport", { anyOf: [{ from: 79, to: 81 }] }))).toBe(true);
    expect(isMatched(match("tcp dport", 80, { operator: ">" }))).toBe(false);
    expect(isMatched(match("udp dport", 80))).toBe(false);
    expect(isMatched(match("meta l4proto", "tcp"))).toBe(true);
    // The port that the kernel will choose is not known.
    expect(isMatched(match("tcp sport", 80))).toBe("unknown");
  });

  test("states of the connection, and marks", () => {
    expect(isMatched(match("ct state", ["established", "related"]))).toBe(false);
    expect(isMatched(match("ct state", ["new", "related"]))).toBe(true);
    expect(isMatched(match("ct state", ["new"], { operator: "!" }))).toBe(false);
    expect(isMatched(match("ct status", ["dnat"]))).toBe(false);
    expect(isMatched(match("meta mark", 0x1000, { mask: 0x1000, operator: "==" }), { ...PACKET, mark: 0x1001 })).toBe(
      true,
    );
    expect(isMatched(match("ct mark", 1))).toBe("unknown");
  });

  test("named sets", () => {
    const sets = { pods: [{ key: ["10.1.0.2"] }, { key: ["10.2.0.0/16"] }] };
    expect(isMatched(match("ip saddr", { set: "pods" }), PACKET, { sets })).toBe(true);
    expect(isMatched(match("ip daddr", { set: "pods" }), PACKET, { sets })).toBe(false);
    expect(isMatched(match("ip daddr", { set: "pods" }, { operator: "!=" }), PACKET, { sets })).toBe(true);
    expect(isMatched(match("ip daddr", { set: "lost" }))).toBe("unknown");
  });
});

describe("a packet's way through chains", () => {
  test("ends with the policy, or with what is said first", () => {
    expect(outcome(table([], { base: { policy: "drop" } }))).toBe("drop");
    expect(outcome(table([[accept], [drop]]))).toBe("pass");
    expect(outcome(table([[{ kind: "counter" }, { kind: "reject" }]]))).toBe("drop");
  });

  test("comes back from a jump, not from a goto", () => {
    const chains = { a: [[{ kind: "verdict", verdict: "return" }], [drop]] } as const;
    expect(outcome(table([[jump("a")], [drop]], { chains }))).toBe("drop");
    expect(outcome(table([[goto("a")], [drop]], { chains }))).toBe("pass");
    expect(outcome(table([[jump("a")]], { chains: { a: [[jump("b")]], b: [[drop]] } }))).toBe("drop");
  });

  test("goes on to the next chain of the hook when one accepts, in order of priority", () => {
    const late = table([[drop]], { name: "late", base: { priority: "filter + 10" } });
    const early = table([[accept]], { name: "early", base: { priority: "filter - 10" } });
    const found = verdictAt([late, early], "forward", PACKET);
    expect(found).toMatchObject({ outcome: "drop", by: { chain: 'inet "late" "base"', rule: "drop" } });
    expect(found.chains).toEqual(['inet "early" "base"', 'inet "late" "base"']);
    expect(verdictAt([late], "postrouting", PACKET)).toEqual({
      hook: "postrouting",
      outcome: "pass",
      chains: [],
      mark: 0,
    });
  });

  test("carries a mark from one to the next", () => {
    const set: NftStatement = { kind: "set", key: "meta mark", value: { key: "meta mark", or: 0x1000 } };
    const early = table([[set, accept]], { name: "early", base: { priority: "filter - 10" } });
    const marked = match("meta mark", 0x1000, { mask: 0x1000, operator: "==" });
    expect(outcome([early, table([[marked, accept]], { base: { policy: "drop" } })])).toBe("pass");
    expect(outcome(table([[marked, accept]], { base: { policy: "drop" } }))).toBe("drop");
    // The same by our rule in a table of iptables, which is in iptables' own form.
    const xt: ReadStatement = { kind: "unknown", expression: "match" };
    const iptables = table([[jump("TENDRIL-FORWARD")]], {
      base: { policy: "drop" },
      chains: { "TENDRIL-FORWARD": [[xt, { kind: "counter" }, accept]] },
    });
    expect(outcome([early, iptables])).toBe("pass");
    expect(outcome(iptables)).toBe("drop");
  });

  test("is looked up in maps of verdicts", () => {
    const map: NftStatement = { kind: "vmap", key: "ip saddr", map: "by_source" };
    const sets = { by_source: [{ key: ["10.1.0.2"], verdict: { goto: "a" } }] } as const;
    expect(outcome(table([[map], [drop]], { sets, chains: { a: [[accept]] } }))).toBe("pass");
    expect(outcome(table([[map], [drop]], { sets, chains: { a: [] } }), V6)).toBe("drop");
  });

  test("is rewritten by the rule that says so, and nobody else is", () => {
    const base = { type: "nat", hook: "postrouting", priority: "srcnat" } as const;
    const masquerade: NftStatement = { kind: "masquerade" };
    const rules = [[match("ip daddr", "10.0.0.0/8", { operator: "!=" }), masquerade]];
    const at = (packet: Packet) => verdictAt([table(rules, { base })], "postrouting", packet).rewrites;
    expect(at(PACKET)).toBeUndefined();
    expect(at({ ...PACKET, destination: "192.0.2.1" })).toBe("ip daddr != 10.0.0.0/8 masquerade");
    expect(at({ ...PACKET, destination: "192.0.2.1", state: "established" })).toBeUndefined();
  });
});

describe("what cannot be decided", () => {
  test("counts only where it would change the outcome", () => {
    expect(outcome(table([[doubtful, drop]]))).toBe("unknown");
    expect(outcome(table([[doubtful, accept]]))).toBe("pass");
    expect(outcome(table([[doubtful, accept], [drop]]))).toBe("unknown");
    expect(outcome(table([[doubtful, drop], [drop]]))).toBe("drop");
    expect(outcome(table([[doubtful, jump("a")]], { chains: { a: [[drop]] } }))).toBe("unknown");
    expect(outcome(table([[match("ip saddr", "192.0.2.1"), doubtful, drop]]))).toBe("pass");
  });

  test("is named", () => {
    const found = verdictAt([table([[doubtful, drop]])], "forward", PACKET);
    expect(found.by).toEqual({ chain: 'inet "t" "base"', rule: "# socket: not known here drop" });
  });

  test("leaves a mark unknown that it may have set", () => {
    const set: NftStatement = { kind: "set", key: "meta mark", value: 1 };
    expect(verdictAt([table([[doubtful, set]])], "forward", PACKET).mark).toBeUndefined();
    expect(verdictAt([table([[set]])], "forward", PACKET).mark).toBe(1);
  });
});
