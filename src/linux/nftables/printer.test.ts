import { describe, expect, test } from "bun:test";
import type { NftElement, NftRule, NftSet } from "../../core/nftables.ts";
import {
  addChainCommand,
  addElementCommand,
  addRuleCommand,
  addSetCommand,
  addTableCommand,
  deleteChainCommand,
  deleteElementCommand,
  deleteSetCommand,
  flushChainCommand,
  formatRule,
  printTable,
} from "./printer.ts";
import { modelRule, modelTable } from "./ruleset.ts";
import { tables } from "./test-support/rules.ts";

const T = { family: "inet", table: "t" } as const;
const VERDICTS: NftSet = { ...T, name: "masquerade_ipv4", key: ["ipv4_addr"], data: "verdict" };
const SENDERS: NftSet = { family: "bridge", table: "b", name: "senders", key: ["ifname", "ether_addr"] };

for (const { family, name, sets, chains } of tables) {
  for (const chain of chains) {
    describe(`a rule of chain "${chain.name}" in table ${family} ${name} reads`, () => {
      for (const { text, ...rule } of chain.rules) {
        test(text, () => {
          expect(formatRule(modelRule({ family, table: name, chain: chain.name, ...rule }, sets))).toBe(text);
        });
      }
    });
  }
}

test("what is printed of a rule does not depend on whether the sets that it looks into are given", () => {
  for (const { family, name, chains } of tables) {
    for (const chain of chains) {
      const rules = chain.rules.map(
        ({ text: _, ...rule }): NftRule => ({ family, table: name, chain: chain.name, ...rule }),
      );
      expect(rules.map((rule) => formatRule(modelRule(rule)))).toEqual(chain.rules.map(({ text }) => text));
    }
  }
});

test("a link's index is shown by its name where that is given, as nft(8) shows it", () => {
  const rule: NftRule = { ...T, chain: "c", statements: [{ kind: "match", key: "iif", value: 1 }] };
  expect(formatRule(modelRule(rule), (index) => (index === 1 ? "lo" : undefined))).toBe(`iif "lo"`);
  expect(formatRule(modelRule(rule))).toBe("iif 1");
});

test("a table is printed with its sets and chains, each block apart from the next", () => {
  const elements: NftElement[] = [
    { set: VERDICTS, key: ["10.22.0.6"], verdict: { goto: "net" } },
    { set: VERDICTS, key: ["10.22.0.5"], verdict: { goto: "net" }, comment: "mynet eth0" },
    { set: VERDICTS, key: ["10.22.0.7"], verdict: "accept" },
  ];
  const chain = { ...T, name: "postrouting", base: { type: "nat", hook: "postrouting", priority: 100 } } as const;
  const model = {
    table: { family: "inet", name: "t", comment: "ours" },
    sets: [VERDICTS],
    chains: [
      { chain: { ...T, name: "net" }, rules: [] },
      {
        chain,
        rules: [{ ...T, chain: "postrouting", statements: [{ kind: "vmap", key: "ip saddr", map: VERDICTS.name }] }],
      },
    ],
    elements,
  } as const;
  expect(printTable(modelTable(model))).toBe(`table inet t {
	comment "ours"
	map masquerade_ipv4 {
		type ipv4_addr : verdict
		elements = { 10.22.0.5 comment "mynet eth0" : goto net, 10.22.0.6 : goto net,
			     10.22.0.7 : accept }
	}

	chain net {
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr vmap @masquerade_ipv4
	}
}
`);
});

describe("as a command", () => {
  const cases: readonly (readonly [string, string])[] = [
    [addTableCommand({ family: "inet", name: "t" }), "nft add table inet t"],
    [addTableCommand({ family: "inet", name: "t", comment: "x y" }), `nft add table inet t '{ comment "x y"; }'`],
    [addChainCommand({ ...T, name: "c" }), "nft add chain inet t c"],
    [
      addChainCommand({
        ...T,
        name: "c",
        base: { type: "filter", hook: "forward", priority: "filter - 5", policy: "drop" },
        comment: "x",
      }),
      `nft add chain inet t c '{ type filter hook forward priority filter - 5; policy drop; comment "x"; }'`,
    ],
    [
      addSetCommand({ ...T, name: "s", key: ["ipv4_addr"], flags: ["interval"], size: 5 }),
      "nft add set inet t s '{ type ipv4_addr; size 5; flags interval; }'",
    ],
    [addSetCommand(VERDICTS), "nft add map inet t masquerade_ipv4 '{ type ipv4_addr : verdict; }'"],
    [
      addElementCommand({ set: VERDICTS, key: ["10.1.0.5"], verdict: { goto: "masquerade-10.1.0.0-16" } }),
      "nft add element inet t masquerade_ipv4 { 10.1.0.5 : goto masquerade-10.1.0.0-16 }",
    ],
    [
      addElementCommand({ set: SENDERS, key: ["veth0", "02:00:00:00:00:01"], comment: "it's ours" }),
      `nft add element bridge b senders '{ "veth0" . 02:00:00:00:00:01 comment "it'\\''s ours" }'`,
    ],
    [
      deleteElementCommand({ set: VERDICTS, key: ["10.1.0.5"], verdict: "accept", comment: "x" }),
      "nft delete element inet t masquerade_ipv4 { 10.1.0.5 }",
    ],
    [
      addRuleCommand({
        ...T,
        chain: "c",
        statements: [
          { kind: "match", key: "ip daddr", operator: "!=", value: "10.0.0.0/8" },
          { kind: "verdict", verdict: "drop" },
        ],
      }),
      "nft add rule inet t c 'ip daddr != 10.0.0.0/8 drop'",
    ],
    [addRuleCommand({ ...T, chain: "c", statements: [{ kind: "masquerade" }] }), "nft add rule inet t c masquerade"],
    [deleteChainCommand({ ...T, name: "c" }), "nft delete chain inet t c"],
    [flushChainCommand({ ...T, name: "c" }), "nft flush chain inet t c"],
    [deleteSetCommand({ ...T, name: "s", key: ["ipv4_addr"] }), "nft delete set inet t s"],
    [deleteSetCommand(VERDICTS), "nft delete map inet t masquerade_ipv4"],
  ];
  for (const [printed, command] of cases) {
    test(command, () => {
      expect(printed).toBe(command);
    });
  }
});
