/**
 * Host ports that lead to a container by elements of ours, or by the rules of the reference plugin: for a container of which
 * we have no record, as after a change-over.
 *
 * With its backend iptables that plugin has a chain for the container, to which a chain for all of them jumps; with the
 * backend nftables rules that have the container's ID as their comment.
 */

import type { NftAdoptedPortsResource } from "../core/plan.ts";
import type { NetlinkSocket } from "../linux/netlink/socket.ts";
import { type NftRequest, transactIfUnchanged } from "../linux/nftables/batch.ts";
import { deleteChain, findChain } from "../linux/nftables/chain.ts";
import { deleteRule, flushChain, type KernelRule, listRules } from "../linux/nftables/rule.ts";
import type { Kernel } from "./kernel.ts";
import { nftElement } from "./nft-element.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

const FAMILIES = ["ip", "ip6"] as const;
type Family = (typeof FAMILIES)[number];

const IPTABLES = "nat";
const JUMPS = "CNI-HOSTPORT-DNAT";
const NFTABLES = "cni_hostport";
const SIGNED = ["hostports", "hostip_hostports", "masquerading"];

export const nftAdoptedPorts: ResourceKind<NftAdoptedPortsResource> = {
  // There is nothing to make: it stands for what an ADD has made of which there is no record.
  ensure() {},
  verify(resource, kernel) {
    const { where, elements, families } = resource;
    const socket = kernel.netfilter(where);
    if (families.every((family) => rulesOf(socket, family, resource).length > 0)) return [];
    return elements.flatMap((element) => nftElement.verify({ kind: "nft-element", where, element }, kernel));
  },
  remove(resource, kernel) {
    const { where, elements } = resource;
    if (!kernel.has(where)) return;
    for (const element of elements) nftElement.remove({ kind: "nft-element", where, element }, kernel);
    for (const family of FAMILIES) removeRules(resource, family, kernel);
  },
  describe: () => [],
  describeRemoval: ({ where, elements, chain, containerId }, naming) => [
    ...elements.flatMap((element) => nftElement.describeRemoval({ kind: "nft-element", where, element }, naming)),
    ...FAMILIES.flatMap((family) =>
      [
        `${family}tables -t ${IPTABLES} -S | grep ${chain} # and delete these`,
        `nft -a list table ${family} ${NFTABLES} | grep ${containerId} # and delete these`,
      ].map((command) => commandIn(where, command, naming)),
    ),
  ],
};

function removeRules(resource: NftAdoptedPortsResource, family: Family, kernel: Kernel): void {
  const socket = kernel.netfilter(resource.where);
  const chain = { family, table: IPTABLES, name: resource.chain };
  transactIfUnchanged(
    socket,
    () => ({ rules: rulesOf(socket, family, resource), hasChain: findChain(socket, chain) !== undefined }),
    ({ rules, hasChain }): NftRequest[] => [
      ...rules.map((rule) => deleteRule(rule, rule.handle)),
      // Nothing leads to it any more.
      ...(hasChain ? [flushChain(chain), deleteChain(chain)] : []),
    ],
  );
}

/** The rules that lead to the container's chain, and those that bear its ID. */
function rulesOf(socket: NetlinkSocket, family: Family, resource: NftAdoptedPortsResource): KernelRule[] {
  const { chain, containerId } = resource;
  return [
    ...listRules(socket, { family, table: IPTABLES, name: JUMPS }).filter((rule) => leadsTo(rule, chain)),
    ...SIGNED.flatMap((name) => listRules(socket, { family, table: NFTABLES, name })).filter(
      ({ comment }) => comment === containerId,
    ),
  ];
}

function leadsTo({ expressions }: KernelRule, chain: string): boolean {
  return expressions.some((one) => one.name === "immediate" && one.data.data?.verdict?.chain === chain);
}
