import { describe, expect, test } from "bun:test";
import type { NftFamily, NftStatement } from "../../../core/nftables.ts";
import { compileRule } from "./compile.ts";

function names(family: NftFamily, ...statements: NftStatement[]): string[] {
  return compileRule({ family, table: "t", statements }).expressions.map(({ name }) => name);
}

describe("a field", () => {
  const ipSource: NftStatement = { kind: "match", key: "ip saddr", value: "10.0.0.1" };

  test("is preceded by a test of its protocol where packets of others come by", () => {
    expect(names("inet", ipSource)).toEqual(["meta", "cmp", "payload", "cmp"]);
    expect(names("bridge", ipSource)).toEqual(["meta", "cmp", "payload", "cmp"]);
    expect(names("ip", ipSource)).toEqual(["payload", "cmp"]);
  });

  test("is preceded by no test that the rule has made before", () => {
    expect(names("inet", ipSource, { kind: "match", key: "ip daddr", value: "10.0.0.1" })).toEqual([
      ...["meta", "cmp", "payload", "cmp"],
      ...["payload", "cmp"],
    ]);
    const nfproto: NftStatement = { kind: "match", key: "meta nfproto", value: "ipv4" };
    expect(names("inet", nfproto, ipSource)).toEqual(["meta", "cmp", "payload", "cmp"]);
    const protocol: NftStatement = { kind: "match", key: "ip protocol", value: 6 };
    const tcp: NftStatement = { kind: "match", key: "tcp dport", value: 80 };
    expect(names("ip", protocol, tcp)).toEqual(["payload", "cmp", "payload", "cmp"]);
  });
});

describe("a mistake in a rule is a TypeError that says it:", () => {
  const cases: readonly (readonly [string, NftFamily, NftStatement[]])[] = [
    [`"ip6 saddr" in a rule for ip`, "ip", [{ kind: "match", key: "ip6 saddr", value: "::1" }]],
    [
      `"udp dport" in a rule for tcp`,
      "inet",
      [
        { kind: "match", key: "tcp dport", value: 1 },
        { kind: "match", key: "udp dport", value: 1 },
      ],
    ],
    [`"10.0.0" is not a value of type ipv4_addr`, "ip", [{ kind: "match", key: "ip saddr", value: "10.0.0" }]],
    [`"fd00::1" is not a value of type ipv4_addr`, "ip", [{ kind: "match", key: "ip saddr", value: "fd00::1" }]],
    [
      `"10.0.0.0/33" is not a value of type ipv4_addr`,
      "ip",
      [{ kind: "match", key: "ip saddr", value: "10.0.0.0/33" }],
    ],
    ["65536 is not a value of type inet_service", "ip", [{ kind: "match", key: "tcp dport", value: 65536 }]],
    ["-1 is not a value of type mark", "ip", [{ kind: "match", key: "meta mark", value: -1 }]],
    [`"sometimes" is not a value of type ct_state`, "ip", [{ kind: "match", key: "ct state", value: "sometimes" }]],
    [
      `"an-interface-too-long" is not a value of type ifname`,
      "ip",
      [{ kind: "match", key: "iifname", value: "an-interface-too-long" }],
    ],
    [`"eth*" is not a value of type ifname`, "ip", [{ kind: "match", key: "iifname", value: { anyOf: ["eth*"] } }]],
    [
      `"ip saddr" cannot be tested by "<"`,
      "ip",
      [{ kind: "match", key: "ip saddr", operator: "<", value: { set: "s" } }],
    ],
    [`"tcp dport" has no flags`, "ip", [{ kind: "match", key: "tcp dport", operator: "!", value: 5 }]],
    [`"tcp dport" has no flags`, "ip", [{ kind: "match", key: "tcp dport", value: ["a"] }]],
    [
      "Only sets have values for a concatenation such as ip saddr . tcp dport",
      "ip",
      [{ kind: "match", key: ["ip saddr", "tcp dport"], value: 5 }],
    ],
    ["A match without a field", "ip", [{ kind: "match", key: [], value: 5 }]],
    [`"dnat" to an address does not say of which family`, "inet", [{ kind: "dnat", address: "10.0.0.1" }]],
    [`"fd00::1" is not a value of type ipv4_addr`, "inet", [{ kind: "dnat", family: "ip", address: "fd00::1" }]],
  ];
  for (const [message, family, statements] of cases) {
    test(message, () => {
      expect(() => compileRule({ family, table: "t", statements })).toThrow(new TypeError(message));
    });
  }
});
