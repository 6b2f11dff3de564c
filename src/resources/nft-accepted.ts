/**
 * The rules that another plugin has put into a chain of iptables-nft for an address: only removed, for a container that
 * was attached by that plugin and goes by ours.
 */

import type { NftIptablesRulesResource } from "../core/plan.ts";
import { transactIfUnchanged } from "../linux/nftables/batch.ts";
import { deleteRule, type KernelRule, listRules } from "../linux/nftables/rule.ts";
import { readRule } from "../linux/nftables/ruleset.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const nftIptablesRules: ResourceKind<NftIptablesRulesResource> = {
  // There is nothing to make: it stands for what another plugin has made.
  ensure() {},
  verify: () => [],
  remove({ where, family, chain, address }, kernel) {
    if (!kernel.has(where)) return;
    const socket = kernel.netfilter(where);
    const place = { family, table: "filter", chain };
    transactIfUnchanged(
      socket,
      () => listRules(socket, { ...place, name: chain }).filter((rule) => isAbout(rule, address)),
      (rules) => rules.map(({ handle }) => deleteRule(place, handle)),
    );
  },
  describe: () => [],
  describeRemoval: ({ where, family, chain, address }, naming) => {
    const tool = family === "ip" ? "iptables" : "ip6tables";
    return [commandIn(where, `${tool} -S ${chain} | grep -wF ${address} # and delete these`, naming)];
  },
};

/** Whether a rule accepts what comes from or goes to the address alone. */
function isAbout(rule: KernelRule, address: string): boolean {
  const { statements } = readRule(rule, () => undefined);
  const last = statements.at(-1);
  if (last?.kind !== "verdict" || last.verdict !== "accept") return false;
  return statements.some(
    (statement) =>
      statement.kind === "match" &&
      typeof statement.key === "string" &&
      /^ip6? [sd]addr$/.test(statement.key) &&
      statement.operator !== "!=" &&
      statement.mask === undefined &&
      statement.value === address,
  );
}
