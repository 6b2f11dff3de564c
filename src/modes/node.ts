/**
 * What a node does for its pods in whatever mode: it forwards, masquerades what leaves the cluster, lets pods' packets pass
 * where the host drops what it does not know, and takes from a pod only what comes from its own addresses.
 *
 * The rules stay as they are as long as the node is there; who is in the cluster stands in sets.
 */

import { ACCEPTED_MARK, MARK_ACCEPTED, UNMARK_ACCEPTED, verdict } from "../core/accepted-mark.ts";
import { type Cidr, cidrContains, formatCidr, networkOf, parseCidr } from "../core/cidr.ts";
import { clusterNodesSet, clusterSet, INET, masqueradedSet } from "../core/cluster-tables.ts";
import { compareIp, type Family, familyOf, withoutLength } from "../core/ip.ts";
import { iptablesForwardChains } from "../core/iptables-chains.ts";
import type { NftChain, NftRule, NftSet, NftStatement } from "../core/nftables.ts";
import type { NftElementResource, NftPartChain, NftTableResource, Resource, SysctlResource } from "../core/plan.ts";
import { planPodGuard } from "../core/pod-guard.ts";
import type { LocalNode, NodeSettings, Peer, Uplink } from "./mode.ts";

/** The chain of iptables-nft for the administrator's rules about pods: what it decides counts before our mark does. */
export const ADMIN_CHAIN = "TENDRIL-ADMIN";

const FAMILIES = [4, 6] as const;

/** Where the packet's addresses are, by family. */
const SOURCE = { 4: "ip saddr", 6: "ip6 saddr" } as const;
const DESTINATION = { 4: "ip daddr", 6: "ip6 daddr" } as const;

const MULTICAST: Readonly<Record<Family, string>> = { 4: "224.0.0.0/4", 6: "ff00::/8" };

/** What the node has whoever its peers are. */
export function planNodeBase(
  settings: NodeSettings,
  local: Pick<LocalNode, "name" | "addresses" | "uplinks">,
): Resource[] {
  const { families, pools } = settings;
  const masqueraded = pools.filter(({ masquerade }) => masquerade);
  return [
    ...(families.includes(6) ? local.uplinks.filter(({ isAdvertised }) => isAdvertised).map(planAdvertised) : []),
    ...planForwarding(families),
    part({ sets: CLUSTER_SETS, chains: [] }),
    // Each packet costs what its chains do, so those are there where the mark is of use.
    { ...part({ sets: [], chains: FORWARD_CHAINS }), beside: IPTABLES_CHAINS },
    // A chain of this type has the kernel track connections, which costs pods a third of their processor time.
    ...(masqueraded.length > 0 ? [part({ sets: [], chains: [MASQUERADE_CHAIN] })] : []),
    planPodGuard("inet"),
    ...planPools(pools, clusterSet),
    ...planPools(masqueraded, masqueradedSet),
    ...planNodeAddresses(local),
    ...families.map(
      (family): Resource => ({
        kind: "nft-iptables",
        where: "host",
        shared: true,
        family: family === 4 ? "ip" : "ip6",
        mark: ACCEPTED_MARK,
        adminChain: ADMIN_CHAIN,
      }),
    ),
  ];
}

/**
 * A peer that packets go to directly sees pods under their own addresses. One behind a tunnel would answer them by the
 * tunnel what has come without: to it pods are masqueraded, as to everybody outside.
 */
export function planPeerBase(peer: Pick<Peer, "name" | "addresses">, direct: boolean): Resource[] {
  return direct ? planNodeAddresses(peer) : [];
}

function planNodeAddresses({ name, addresses }: Pick<Peer, "name" | "addresses">): NftElementResource[] {
  const own = [...new Set(addresses.map(withoutLength))];
  return own.map((address) => element(clusterNodesSet(familyOf(address)), address, `node ${name}`.slice(0, 120)));
}

/**
 * A kernel that forwards takes no advertisements but where it is told to, and forgets what it has of them: so this comes
 * first. @see Documentation/networking/ip-sysctl.rst accept_ra
 */
function planAdvertised({ name: link }: Uplink): SysctlResource {
  return {
    kind: "sysctl",
    where: "host",
    shared: true,
    name: `net/ipv6/conf/${link}/accept_ra`,
    value: "2",
    link,
    optional: true,
  };
}

function planForwarding(families: readonly Family[]): SysctlResource[] {
  const names = { 4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding" } as const;
  return families.map((family) => ({ kind: "sysctl", where: "host", shared: true, name: names[family], value: "1" }));
}

/** The networks of the pools; one that lies within another adds nothing, and ranges must not overlap. */
function planPools(pools: NodeSettings["pools"], setOf: (family: Family) => NftSet): NftElementResource[] {
  const networks = pools
    .flatMap(({ cidrs }) => cidrs.map(parseCidr))
    .flatMap((cidr): Cidr[] => (cidr === undefined ? [] : [networkOf(cidr)]))
    .sort((a, b) => a.bits - b.bits || compareIp(a.ip, b.ip));
  const outer = networks.filter((one, i) => !networks.slice(0, i).some((wider) => cidrContains(wider, one.ip)));
  return outer.map((network) => element(setOf(network.ip.family), formatCidr(network), "cluster"));
}

function element(set: NftSet, key: string, comment: string): NftElementResource {
  return { kind: "nft-element", where: "host", element: { set, key: [key], comment } };
}

function part({ sets, chains }: Pick<NftTableResource, "sets" | "chains">): NftTableResource {
  const table = { family: INET.family, name: INET.table };
  return { kind: "nft-table", where: "host", shared: true, table, sets, chains };
}

/** Ports are chosen fully at random, because two connections that race for one would else lose a packet. */
function masquerade(family: Family): NftStatement[] {
  const to = DESTINATION[family];
  return [
    inSet(SOURCE[family], masqueradedSet(family)),
    { kind: "match", key: to, operator: "!=", value: { set: clusterSet(family).name } },
    { kind: "match", key: to, operator: "!=", value: { set: clusterNodesSet(family).name } },
    { kind: "match", key: to, operator: "!=", value: MULTICAST[family] },
    { kind: "masquerade", flags: ["fully-random"] },
  ];
}

function base(
  name: string,
  hook: NonNullable<NftChain["base"]>,
  rules: readonly (readonly NftStatement[])[],
): NftPartChain {
  return {
    chain: { ...INET, name, base: { ...hook, policy: "accept" } },
    rules: rules.map((statements): NftRule => ({ ...INET, chain: name, statements })),
  };
}

function inSet(key: "ip saddr" | "ip6 saddr" | "ip daddr" | "ip6 daddr", set: NftSet): NftStatement {
  return { kind: "match", key, value: { set: set.name } };
}

const CLUSTER_SETS = FAMILIES.flatMap((family) => [
  clusterSet(family),
  masqueradedSet(family),
  clusterNodesSet(family),
]);

const MASQUERADE_CHAIN = base(
  "cluster-masquerade",
  { type: "nat", hook: "postrouting", priority: "srcnat" },
  FAMILIES.map(masquerade),
);

/** Where the mark is asked for. */
const IPTABLES_CHAINS = (["ip", "ip6"] as const).flatMap((family) => iptablesForwardChains(family, ADMIN_CHAIN));

const FORWARD_CHAINS = [
  base("cluster-forward-begin", { type: "filter", hook: "forward", priority: "filter - 11" }, [[UNMARK_ACCEPTED]]),
  base("cluster-forward-passed", { type: "filter", hook: "forward", priority: "filter + 20" }, [[UNMARK_ACCEPTED]]),
  base(
    "cluster-forward",
    { type: "filter", hook: "forward", priority: "filter - 9" },
    FAMILIES.flatMap((family) =>
      [SOURCE[family], DESTINATION[family]].map((key) => [
        inSet(key, clusterSet(family)),
        MARK_ACCEPTED,
        verdict("accept"),
      ]),
    ),
  ),
];
