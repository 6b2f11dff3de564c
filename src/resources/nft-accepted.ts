/**
 * An address that is accepted by an element of ours, or by rules that the reference plugin has put into a chain of
 * iptables-nft: for a container of which we have no record, as after a change-over.
 */

import type { NftAcceptedResource } from "../core/plan.ts";
import type { NetlinkSocket } from "../linux/netlink/socket.ts";
import { transactIfUnchanged } from "../linux/nftables/batch.ts";
import { deleteRule, type KernelRule, listRules } from "../linux/nftables/rule.ts";
import { readRule } from "../linux/nftables/ruleset.ts";
import { nftElement } from "./nft-element.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const nftAccepted: ResourceKind<NftAcceptedResource> = {
  // There is nothing to make: it stands for what an ADD has made of which there is no record.
  ensure() {},
  verify(resource, kernel) {
    const { where, element, family, address, chain } = resource;
    const findings = nftElement.verify({ kind: "nft-element", where, element }, kernel);
    if (findings.length === 0 || listOwn(kernel.netfilter(where), resource).length > 0) return [];
    return [...findings, `no rule of chain "${chain}" of iptables (${family}) accepts ${address}`];
  },
  remove(resource, kernel) {
    const { where, element, family, chain } = resource;
    if (!kernel.has(where)) return;
    nftElement.remove({ kind: "nft-element", where, element }, kernel);
    transactIfUnchanged(
      kernel.netfilter(where),
      () => listOwn(kernel.netfilter(where), resource),
      (rules) => rules.map(({ handle }) => deleteRule({ family, table: TABLE, chain }, handle)),
    );
  },
  describe: () => [],
  describeRemoval: ({ where, element, family, chain, address }, naming) => {
    const tool = family === "ip" ? "iptables" : "ip6tables";
    return [
      ...nftElement.describeRemoval({ kind: "nft-element", where, element }, naming),
      commandIn(where, `${tool} -S ${chain} | grep -wF ${address} # and delete these`, naming),
    ];
  },
};

const TABLE = "filter";

function listOwn(socket: NetlinkSocket, { family, chain, address }: NftAcceptedResource): KernelRule[] {
  return listRules(socket, { family, table: TABLE, name: chain }).filter((rule) => isAbout(rule, address));
}

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
