/** Our tables in the kernel against nft(8), in both directions. */

import { describe, expect } from "bun:test";
import { type TestNetns, testNamespaces } from "../../../test/support/namespaces.ts";
import { type Need, needs, program, root } from "../../../test/support/needs.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../netlink/socket.ts";
import { inNetns } from "../netns.ts";
import { commit } from "./batch.ts";
import { addChain } from "./chain.ts";
import { addElements } from "./element.ts";
import {
  addChainCommand,
  addElementCommand,
  addRuleCommand,
  addSetCommand,
  addTableCommand,
  printRuleset,
} from "./printer.ts";
import { addRule, listRules } from "./rule.ts";
import { findAnonymousSets, modelTable, readRuleset, readTable, type TableModel } from "./ruleset.ts";
import { sameRule, sameSet } from "./same.ts";
import { addSet, listSets } from "./set.ts";
import { addTable } from "./table.ts";
import { models } from "./test-support/tables.ts";

const namespaces = testNamespaces();
expectNothingLeft();

/** The listings of other releases differ in details, such as the lines that elements are broken into. */
const listedAsHere: Need = () => {
  const version = Bun.spawnSync(["nft", "--version"]).stdout.toString();
  return / v1\.0\.[0-9]+ /.test(version) ? undefined : `nft lists in its own way: ${version.trim()}`;
};

const kernelTest = needs(root);
const nftTest = needs(root, program("nft"), program("nsenter"), listedAsHere);

function withSocket<T>({ netns }: TestNetns, work: (socket: NetlinkSocket) => T): T {
  const socket = inNetns(netns, () => new NetlinkSocket(NETLINK_NETFILTER));
  try {
    return work(socket);
  } finally {
    socket.close();
  }
}

/** All of a model in one batch; chains come before what leads to them. */
function apply(namespace: TestNetns, { table, sets = [], chains = [], elements = [] }: TableModel): void {
  withSocket(namespace, (socket) =>
    commit(socket, [
      addTable(table),
      ...sets.map(addSet),
      ...chains.map(({ chain }) => addChain(chain)),
      ...chains.flatMap(({ rules }) => rules.flatMap(addRule)),
      ...addElements(elements),
    ]),
  );
}

function printed(model: TableModel): string {
  return printRuleset([modelTable(model)]);
}

/** As in nft(8), but that a link's index stays a number. */
function listed(namespace: TestNetns): string {
  return namespace.sh("nft list ruleset");
}

function read(namespace: TestNetns): string {
  return printRuleset(withSocket(namespace, readRuleset));
}

for (const model of models) {
  const { family, name } = model.table;
  describe(`table ${family} ${name}`, () => {
    nftTest("is listed by nft(8) as we print it", () => {
      const namespace = namespaces.fresh();
      apply(namespace, model);
      expect(printed(model)).toBe(listed(namespace));
    });

    kernelTest("reads back from the kernel as it was meant", () => {
      const namespace = namespaces.fresh();
      apply(namespace, model);
      expect(read(namespace)).toBe(printed(model));
    });

    nftTest("as we print it can be pasted to nft(8) and comes back the same", () => {
      const namespace = namespaces.fresh();
      namespace.sh(`nft -f - <<'EOF'\n${printed(model)}EOF`);
      expect(listed(namespace)).toBe(printed(model));
      expect(read(namespace)).toBe(printed(model));
    });

    kernelTest("has the rules and sets of the model, told by what they do", () => {
      const namespace = namespaces.fresh();
      apply(namespace, model);
      withSocket(namespace, (socket) => {
        for (const { chain, rules } of model.chains ?? []) {
          const found = listRules(socket, chain);
          const anonymous = findAnonymousSets(socket, found);
          expect(found.length).toBe(rules.length);
          for (const [i, rule] of rules.entries()) {
            const one = found[i];
            expect([rule.statements, one && sameRule(rule, one, anonymous)]).toEqual([rule.statements, true]);
          }
        }
        const sets = listSets(socket, model.table).filter(({ anonymous }) => !anonymous);
        expect(sets.map(({ name }) => name)).toEqual((model.sets ?? []).map(({ name }) => name));
        for (const [i, set] of (model.sets ?? []).entries()) {
          const found = sets[i];
          expect([set, found && sameSet(set, found)]).toEqual([set, true]);
        }
      });
    });
  });
}

const THEIRS = `table inet theirs {
	comment "what nft writes in its own way"
	set joined {
		type ipv4_addr
		flags interval
		auto-merge
		elements = { 10.0.0.0/8 }
	}

	set marks {
		type mark
		flags interval
		elements = { 0x00000001, 0x00000005-0x00000007 }
	}

	chain c {
		type filter hook input priority filter; policy accept;
		ip saddr 1.2.3.4 ip daddr 1.2.3.5 tcp sport 5 tcp dport 6 accept
		ether daddr 00:00:00:00:00:02 ether saddr 00:00:00:00:00:01 accept
		ip saddr 1.2.3.4 ip daddr 1.2.0.0/16 accept
		ip6 saddr fd00::1 ip6 daddr fd00::2 accept
		icmp type { echo-reply, echo-request } accept
		meta mark @marks accept
		ct state invalid,established,new accept
		ct state 0x100 accept
	}
}
`;

nftTest("a table that nft(8) wrote is printed by us as by nft", () => {
  const namespace = namespaces.fresh();
  namespace.sh(`nft -f - <<'EOF'\n${THEIRS}EOF`);
  expect(listed(namespace)).toBe(THEIRS);
  expect(read(namespace)).toBe(THEIRS);
});

nftTest("an expression without a statement here is shown as what it is, and the rest with it", () => {
  const namespace = namespaces.fresh();
  namespace.sh(
    `nft add table inet t; nft add chain inet t c; nft add rule inet t c ip saddr 10.0.0.1 quota 5 bytes drop`,
  );
  expect(read(namespace)).toContain("ip saddr 10.0.0.1 # quota: not known here drop");
});

kernelTest("a table that is not there reads as undefined", () => {
  withSocket(namespaces.fresh(), (socket) => {
    expect(readTable(socket, { family: "inet", name: "nothing" })).toBeUndefined();
  });
});

describe("pasted one by one, our commands make the table that we mean", () => {
  for (const model of models) {
    const { family, name } = model.table;
    nftTest(`table ${family} ${name}`, () => {
      const { table, sets = [], chains = [], elements = [] } = model;
      const namespace = namespaces.fresh();
      const commands = [
        addTableCommand(table),
        ...sets.map(addSetCommand),
        ...chains.map(({ chain }) => addChainCommand(chain)),
        ...chains.flatMap(({ rules }) => rules.map((rule) => addRuleCommand(rule, sets))),
        // A set that never changes has to be declared with its elements.
        ...elements.filter(({ set }) => !set.flags?.includes("constant")).map(addElementCommand),
      ];
      namespace.sh(`set -e\n${commands.join("\n")}`);
      const fixed = elements.filter(({ set }) => !set.flags?.includes("constant"));
      expect(listed(namespace)).toBe(printed({ ...model, elements: fixed }));
    });
  }
});
