/** Chains that drop what is forwarded unless one of their rules accepts it. */

import type { NftFamily, NftMatch } from "../core/nftables.ts";
import type { ReadRule, TableContent } from "../linux/nftables/ruleset.ts";

export interface DroppingChain {
  readonly family: NftFamily;
  readonly table: string;
  readonly chain: string;
  /** Whether it lets pass what our chains have accepted and marked. */
  readonly acceptsOurs: boolean;
}

/** The name of our table, and in a table of iptables of our chain, whose rule accepts what is marked. */
const OWN_TABLE = "tendril";
const OWN_CHAIN = "TENDRIL-FORWARD";

/** The bit of a packet's mark that says, at the hook `forward`, that one of our chains has accepted it. */
const ACCEPTED_MARK = 0x1000;

/** Those of other tables than ours. */
export function droppingChains(ruleset: readonly TableContent[]): DroppingChain[] {
  return ruleset.flatMap((content) => {
    const { table, chains } = content;
    if (table.name === OWN_TABLE) return [];
    return chains.flatMap(({ chain }): DroppingChain[] => {
      const { base } = chain;
      if (base?.hook !== "forward" || base.policy !== "drop" || table.family === "bridge") return [];
      const acceptsOurs = accepts(content, chain.name, new Set());
      return [{ family: table.family, table: table.name, chain: chain.name, acceptsOurs }];
    });
  });
}

/** Whether a rule of a chain, or of one that it leads to, accepts all that is marked. */
function accepts(content: TableContent, name: string, seen: Set<string>): boolean {
  if (seen.has(name)) return false;
  seen.add(name);
  if (name === OWN_CHAIN) return true;
  const chain = content.chains.find((one) => one.chain.name === name);
  return (chain?.rules ?? []).some((rule) => acceptsMark(rule) || leads(rule, content, seen));
}

function acceptsMark({ statements }: ReadRule): boolean {
  const tests = statements.filter((statement) => statement.kind === "match");
  const others = statements.filter(({ kind }) => kind !== "match" && kind !== "counter");
  const [verdict, ...more] = others;
  if (verdict?.kind !== "verdict" || verdict.verdict !== "accept" || more.length > 0) return false;
  return tests.every(isMarkTest);
}

function isMarkTest({ key, mask, value, operator = "==" }: NftMatch): boolean {
  if (key !== "meta mark") return false;
  if (operator === "==") return value === ACCEPTED_MARK && (mask === undefined || mask === ACCEPTED_MARK);
  return operator === "!=" && value === 0 && mask === ACCEPTED_MARK;
}

/** Only what is asked of every packet counts. */
function leads({ statements }: ReadRule, content: TableContent, seen: Set<string>): boolean {
  const target = statements.find((statement) => statement.kind === "verdict")?.verdict;
  if (typeof target !== "object" || statements.some(({ kind }) => kind !== "verdict" && kind !== "counter")) {
    return false;
  }
  return accepts(content, "jump" in target ? target.jump : target.goto, seen);
}
