import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ConfigError } from "../../core/errors.ts";
import type { Family } from "../../core/ip.ts";
import { configError } from "../test-support/planning.ts";
import { languageOf, parseConditions } from "./portmap-conditions.ts";

const parse = (words: readonly string[], family: Family = 4) => parseConditions("conditionsV4", words, family);

describe("the language of conditions", () => {
  test.each([
    [["!", "-d", "192.0.2.0/24"], "iptables"],
    [["-s", "1.2.3.4"], "iptables"],
    [["  -s 1.2.3.4"], "iptables"],
    [["", "! -i eth0"], "iptables"],
    [["ip saddr 1.2.3.4"], "nftables"],
    [["ip", "saddr", "1.2.3.4"], "nftables"],
    [[""], undefined],
    [[], undefined],
  ] as const)("%p is %p", (words, language) => {
    expect(languageOf(words)).toBe(language);
  });
});

const PREFIX = { kind: "match", key: "ip daddr", value: "192.0.2.0/24" } as const;

describe("in both languages the same is meant by", () => {
  const same: readonly (readonly [string, string[], string[], object[], Family?])[] = [
    ["a prefix", ["-d", "192.0.2.7/24"], ["ip daddr 192.0.2.0/24"], [PREFIX]],
    ["no prefix", ["!", "-d", "192.0.2.0/24"], ["ip daddr != 192.0.2.0/24"], [{ ...PREFIX, operator: "!=" }]],
    [
      "one address",
      ["--source", "1.2.3.4"],
      ["ip", "saddr", "1.2.3.4"],
      [{ kind: "match", key: "ip saddr", value: "1.2.3.4" }],
    ],
    [
      "several addresses",
      ["--src", "1.2.3.4,10.0.0.0/8"],
      ["ip saddr {1.2.3.4, 10.0.0.0/8}"],
      [{ kind: "match", key: "ip saddr", value: { anyOf: ["1.2.3.4", "10.0.0.0/8"] } }],
    ],
    [
      "a range of addresses",
      ["-m", "iprange", "--src-range", "10.0.0.1-10.0.0.9"],
      ["ip saddr 10.0.0.1-10.0.0.9"],
      [{ kind: "match", key: "ip saddr", value: { from: "10.0.0.1", to: "10.0.0.9" } }],
    ],
    [
      "IPv6",
      ["!", "--destination", "fc00::/7", "-s", "fd00::1"],
      ["ip6 daddr != fc00::/7 ip6 saddr fd00::1"],
      [
        { kind: "match", key: "ip6 daddr", operator: "!=", value: "fc00::/7" },
        { kind: "match", key: "ip6 saddr", value: "fd00::1" },
      ],
      6,
    ],
    ["any address", ["-s", "0.0.0.0/0"], ["ip saddr 0.0.0.0/0"], []],
    ["an interface", ["-i", "eth0"], ['iifname "eth0"'], [{ kind: "match", key: "iifname", value: "eth0" }]],
    ["the start of its name", ["-i", "eth+"], ["iifname eth*"], [{ kind: "match", key: "iifname", value: "eth*" }]],
    [
      "another interface",
      ["!", "--in-interface", "eth0"],
      ["meta iifname != eth0"],
      [{ kind: "match", key: "iifname", operator: "!=", value: "eth0" }],
    ],
    ["a protocol", ["-p", "TCP"], ["meta l4proto 6"], [{ kind: "match", key: "meta l4proto", value: "tcp" }]],
    [
      "a source port",
      ["-p", "udp", "-m", "udp", "--sport", "53"],
      ["udp sport 53"],
      [
        { kind: "match", key: "meta l4proto", value: "udp" },
        { kind: "match", key: "th sport", value: 53 },
      ],
    ],
    [
      "source ports",
      ["!", "--source-port", "1024:65535"],
      ["th sport != 1024-65535"],
      [{ kind: "match", key: "th sport", operator: "!=", value: { from: 1024, to: 65535 } }],
    ],
    [
      "a mark",
      ["-m", "mark", "!", "--mark", "0x10"],
      ["meta mark != 16"],
      [{ kind: "match", key: "meta mark", operator: "!=", value: 16 }],
    ],
    [
      "a type of addresses",
      ["-m", "addrtype", "--src-type", "UNICAST"],
      ["fib saddr type unicast"],
      [{ kind: "match", key: "fib saddr type", value: "unicast" }],
    ],
  ];
  for (const [title, iptables, nftables, matches, family] of same) {
    test(title, () => {
      expect(parse(iptables, family)).toEqual(matches as ReturnType<typeof parse>);
      expect(parse(nftables, family)).toEqual(matches as ReturnType<typeof parse>);
    });
  }
});

test("some bits of a mark, and comments, are read as iptables writes them", () => {
  expect(parse(["-m", "mark", "--mark", "0x10/0xf0", "-m", "comment", "--comment", "why"])).toEqual([
    { kind: "match", key: "meta mark", mask: 0xf0, value: 0x10 },
  ]);
});

test("several conditions in one string are several conditions", () => {
  expect(parse(["-s 10.0.0.0/8 ! -i eth0"])).toEqual(parse(["-s", "10.0.0.0/8", "!", "-i", "eth0"]));
});

describe("one error names the word that is not understood, and its place:", () => {
  const wrong: readonly (readonly [string[], field: string, message: string])[] = [
    [["-j", "ACCEPT"], "conditionsV4[0]", '"-j"'],
    [["-m", "set", "--match-set", "x", "src"], "conditionsV4[1]", '"set"'],
    [["-s", "1.2.3.4", "--dport", "80"], "conditionsV4[2]", '"--dport"'],
    [["-s", "fd00::1"], "conditionsV4[1]", "is not an address, prefix or range of IPv4"],
    [["-s", "example.org"], "conditionsV4[1]", '"example.org"'],
    [["-s", "1.2.3.4/33"], "conditionsV4[1]", '"1.2.3.4/33"'],
    [["-s", "10.0.0.9-10.0.0.1"], "conditionsV4[1]", '"10.0.0.9-10.0.0.1"'],
    [["!", "-s", "0.0.0.0/0"], "conditionsV4[2]", "leaves no connection that meets it"],
    [["-s"], "conditionsV4", 'ends after "-s"'],
    [["!"], "conditionsV4", 'ends after "!"'],
    [["-i", "a/b"], "conditionsV4[1]", '"a/b"'],
    [["-p", "icmp"], "conditionsV4[1]", '"icmp"'],
    [["--sport", "1:2:3"], "conditionsV4[1]", "is not a port or a range of ports"],
    [["--sport", "70000"], "conditionsV4[1]", '"70000"'],
    [["--mark", "1/2/3"], "conditionsV4[1]", '"1/2/3"'],
    [["--mark", "0x1ffffffff"], "conditionsV4[1]", '"0x1ffffffff"'],
    [["--src-type", "LAN"], "conditionsV4[1]", '"LAN"'],
    [["ip saddr @mine"], "conditionsV4[0]", '"@mine"'],
    [["ip6 saddr fd00::1"], "conditionsV4[0]", '"ip6"'],
    [["limit rate 1/second"], "conditionsV4[0]", '"limit"'],
    [["ip saddr {1.2.3.4; 1.2.3.5}"], "conditionsV4[0]", '"1.2.3.4;"'],
    [["ip saddr {1.2.3.4 1.2.3.5}"], "conditionsV4[0]", "stands where a comma or a brace should"],
    [["ip saddr {1.2.3.4"], "conditionsV4", 'ends after "{"'],
    [["ip saddr"], "conditionsV4", 'ends after "ip saddr"'],
    [["ip", "saddr", "1.2.3.4", "nonsense"], "conditionsV4[3]", '"nonsense"'],
  ];
  for (const [words, field, message] of wrong) {
    test(words.join(" "), () => {
      const error = configError(() => parse(words));
      expect(error.field).toBe(field);
      expect(error.message).toContain(message);
    });
  }
});

test("any words are read or refused with one ConfigError", () => {
  const word = fc.constantFrom(
    ...["!", "-s", "-d", "-i", "-p", "-m", "--mark", "--sport", "tcp", "mark", "1.2.3.4", "10.0.0.0/8", "0x10", "eth0"],
    ...["ip", "saddr", "!=", "==", "{", "}", ",", "th", "sport", "1-2", "meta", "iifname", "", "fd00::/8"],
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string({ maxLength: 6 })), { maxLength: 6 }), (words) => {
      try {
        parse(words);
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
      }
    }),
    { numRuns: 2_000 },
  );
});
