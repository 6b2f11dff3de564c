/**
 * The masquerade of a node: what its pods send beyond the cluster leaves under the node's address.
 *
 * It is the lab's own and not the bridge plugin's `ipMasq`, because that one masquerades all that leaves the node's own
 * pod subnet: pods of other nodes would see the node's address instead of the pod's.
 */

import type { Family } from "../core/ip.ts";
import type { NftRule } from "../core/nftables.ts";
import type { NftTableResource } from "../core/plan.ts";
import { type Lab, type LabNode, ofFamily } from "./lab.ts";
import { networkName } from "./names.ts";

const CHAIN = "postrouting";

/** The nf_tables table of a node. */
export function planMasquerade(lab: Lab, node: LabNode): NftTableResource {
  const table = { family: "inet", name: networkName(lab.name) } as const;
  const rules = lab.families.map((family) => rule(lab, node, family));
  const base = { type: "nat", hook: "postrouting", priority: "srcnat" } as const;
  const chain = { family: table.family, table: table.name, name: CHAIN, base };
  return { kind: "nft-table", where: "container", table, sets: [], chains: [{ chain, rules }] };
}

/** The cluster is all pods and all subnets of the fabric, which have routes to the pods. */
function rule(lab: Lab, node: LabNode, family: Family): NftRule {
  const word = family === 4 ? "ip" : "ip6";
  const cluster = [lab.podNetworks, ...lab.subnets.map(({ prefixes }) => prefixes)];
  return {
    family: "inet",
    table: networkName(lab.name),
    chain: CHAIN,
    statements: [
      { kind: "match", key: `${word} saddr`, value: ofFamily(family, node.podSubnets) ?? "" },
      ...cluster
        .flatMap((list) => ofFamily(family, list) ?? [])
        .map((prefix) => ({ kind: "match", key: `${word} daddr`, operator: "!=", value: prefix }) as const),
      { kind: "masquerade" },
    ],
  };
}
