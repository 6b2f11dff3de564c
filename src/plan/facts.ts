/** Gathering the facts that a plan is made from. */

import type { Facts, LinkFact, LinkQuestion, Planner } from "../core/planner.ts";
import type { Call } from "../core/plugin.ts";
import { listAddresses } from "../linux/netlink/rtnetlink/address.ts";
import { IFF_PROMISC, IFF_UP } from "../linux/netlink/rtnetlink/link/link.ts";
import type { Kernel } from "../resources/kernel.ts";

/** What the planner asks, and what the call says. `known` has what only the caller can know. Throws KernelError. */
export function gatherFacts<C>(
  planner: Planner<C>,
  config: C,
  call: Call,
  kernel: Kernel,
  known: Pick<Facts, "bootId" | "ipam"> & Partial<Pick<Facts, "adopted" | "recovering">>,
): Facts {
  const questions = planner.links(config).filter(({ where }) => kernel.has(where));
  return {
    key: { network: call.config.name, containerId: call.containerId, ifname: planner.ifname ?? call.ifname },
    netns: call.netns ?? "",
    bootId: known.bootId,
    ipam: known.ipam,
    prevResult: call.config.prevResult,
    adopted: known.adopted,
    recovering: known.recovering ?? false,
    links: askLinks(questions, kernel),
  };
}

/** The links as they are now, by `<where>/<name>`. Throws KernelError. */
export function askLinks(questions: readonly LinkQuestion[], kernel: Kernel): Map<string, LinkFact | undefined> {
  return new Map(
    questions.map((question) => [`${question.where}/${question.name}`, askLink(question, kernel)] as const),
  );
}

function askLink({ where, name, addresses }: LinkQuestion, kernel: Kernel): LinkFact | undefined {
  const link = kernel.link(where, name);
  if (link === undefined) return undefined;
  const found = addresses ? listAddresses(kernel.route(where), link.index) : [];
  return {
    mac: link.address ?? "",
    mtu: link.mtu ?? 0,
    up: (link.flags & IFF_UP) !== 0,
    promisc: (link.flags & IFF_PROMISC) !== 0,
    kind: link.info?.kind,
    addresses: found.map(({ local, address, prefixLength }) => `${local ?? address}/${prefixLength}`),
  };
}
