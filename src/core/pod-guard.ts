/**
 * The guard on pods' links: what comes in by one must come from an address of its pod.
 *
 * Each pod's plan has the guard, too, so that it is there wherever a pod is, with an agent or without.
 */

import { verdict } from "./accepted-mark.ts";
import { ADDRESS, INET } from "./cluster-tables.ts";
import { type Family, familyOf } from "./ip.ts";
import { VETH_PREFIX } from "./names.ts";
import type { NftElement, NftRule, NftSet, NftStatement } from "./nftables.ts";
import type { NftElementResource, NftOwnedResource, NftTableResource } from "./plan.ts";

const FAMILIES = [4, 6] as const;
const SOURCE = { 4: "ip saddr", 6: "ip6 saddr" } as const;

/** In which table a pod's link is guarded: that of a routed pair where IP comes in, a bridge's port on the bridge. */
export type GuardFamily = "inet" | "bridge";

/** The host's ends of pods' links, by which nothing comes in but from the pod's own addresses. */
export function podLinksSet(family: GuardFamily): NftSet {
  return { family, table: INET.table, name: "pod_links", key: ["ifname"] };
}

/** Pairs of such a link and an address that packets may come from by it. */
export function podSourcesSet(guard: GuardFamily, family: Family): NftSet {
  return { family: guard, table: INET.table, name: `pod_sources_ipv${family}`, key: ["ifname", ADDRESS[family]] };
}

/**
 * Drops what comes in by a pod's link from an address that is not the pod's; before connection tracking, so that nothing
 * remembers it. Pairs of link and address are looked up, not the route back to the source: that costs less, holds
 * whatever routes the host has, and on a bridge keeps also two pods of one network apart. An element's owner fills the
 * sets by `planPodSources`.
 *
 * Link-local addresses are the link's own business, and are not forwarded; the unspecified one is what IPv6 asks from
 * before an address is its own.
 */
export function planPodGuard(guard: GuardFamily): NftTableResource {
  const name = guard === "inet" ? "pod-guard" : "pod-guard-port";
  const allowed = (family: Family): NftStatement[] => [
    { kind: "match", key: ["iifname", SOURCE[family]], value: { set: podSourcesSet(guard, family).name } },
    verdict("accept"),
  ];
  // A bridge has frames of other protocols too, such as ARP's. By two rules, for an anonymous set would keep the table
  // from going with its last part.
  const drops: NftStatement[][] =
    guard === "inet"
      ? [[verdict("drop")]]
      : ["ip", "ip6"].map((value) => [{ kind: "match", key: "meta protocol", value }, verdict("drop")]);
  const rules: NftStatement[][] = [
    // What costs least comes first: two of three packets come by other links, and nearly all others from their addresses.
    [{ kind: "match", key: "iifname", operator: "!=", value: `${VETH_PREFIX}*` }, verdict("accept")],
    ...FAMILIES.map(allowed),
    [{ kind: "match", key: "iifname", operator: "!=", value: { set: podLinksSet(guard).name } }, verdict("accept")],
    [{ kind: "match", key: "ip6 saddr", value: "fe80::/10" }, verdict("accept")],
    [
      { kind: "match", key: "ip6 saddr", value: "::" },
      { kind: "match", key: "meta l4proto", value: "ipv6-icmp" },
      verdict("accept"),
    ],
    ...drops,
  ];
  const chain = { family: guard, table: INET.table, name };
  const base = { type: "filter", hook: "prerouting", priority: guard === "inet" ? "raw" : "dstnat" } as const;
  return {
    kind: "nft-table",
    where: "host",
    shared: true,
    table: { family: guard, name: INET.table },
    sets: [podLinksSet(guard), ...FAMILIES.map((family) => podSourcesSet(guard, family))],
    chains: [
      {
        chain: { ...chain, base: { ...base, policy: "accept" } },
        rules: rules.map((statements): NftRule => ({ family: guard, table: INET.table, chain: name, statements })),
      },
    ],
  };
}

/**
 * Lets a pod send from its addresses alone: elements for the host's end of its link, which its owner's comment tells from
 * others'. The pairs come first, for a guarded link without one is mute. They need the part of the table that
 * `planPodGuard` of the modes makes. Throws RangeError for a link with another kind of name than ours have: by it, anything
 * would come in.
 */
export function planPodSources(
  link: string,
  addresses: readonly string[],
  comment: string,
  guard: GuardFamily = "inet",
): NftElementResource[] {
  if (!link.startsWith(VETH_PREFIX)) throw new RangeError(`The link "${link}" would not be guarded`);
  const element = (set: NftSet, ...key: NftElement["key"]): NftElementResource => ({
    kind: "nft-element",
    where: "host",
    element: { set, key, comment },
  });
  return [
    ...addresses.map((address) => element(podSourcesSet(guard, familyOf(address)), link, address)),
    element(podLinksSet(guard), link),
  ];
}

/** The elements of a pod whose link and addresses are not known. */
export function planLostPodSources(comment: string, guard: GuardFamily = "inet"): NftOwnedResource {
  const sets = [podLinksSet(guard), ...FAMILIES.map((family) => podSourcesSet(guard, family))];
  return { kind: "nft-owned", where: "host", sets, comment };
}
