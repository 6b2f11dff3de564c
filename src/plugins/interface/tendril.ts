/**
 * The cluster's plugin: connects a pod to its node, which the agent connects to all others.
 *
 * Without a bridge the pod has its addresses for itself alone, each a network of one; all that it sends goes to the
 * node's end of its veth pair, by a gateway's address that is the same for every pod everywhere. The node has a route to
 * each pod. The pod knows the node's MAC beforehand, so nothing that it sends waits for an answer to who has which address.
 * With a bridge it is a port of that, as the plugin `bridge` makes it.
 */

import { alone, type Family, familyOf } from "../../core/ip.ts";
import { attachmentMac, hostVethName, ownerComment } from "../../core/names.ts";
import type { NeighbourResource, Plan, Resource, RouteResource, SysctlResource, VethLink } from "../../core/plan.ts";
import type { Facts, Planner } from "../../core/planner.ts";
import { type GuardFamily, planLostPodSources, planPodGuard, planPodSources } from "../../core/pod-guard.ts";
import type { Result, ResultAddress, ResultRoute } from "../../core/result.ts";
import { bandwidth } from "../chained/bandwidth.ts";
import { portmap } from "../chained/portmap.ts";
import { addressTexts, dnsOf, pairInterfaces, planAddresses, planForwarding, planUp } from "../container-interface.ts";
import { planLostMasquerade, planMasquerade } from "../masquerade.ts";
import { bridge } from "./bridge.ts";
import { parseTendrilConfig, type TendrilConfig } from "./tendril-config.ts";

/** What every pod sends to. Nobody else can have these addresses: they are valid on one link only. */
export const GATEWAYS: Readonly<Record<Family, string>> = { 4: "169.254.1.1", 6: "fe80::1" };

/** The planner under one of the names that its users know it by. */
export function clusterPlanner(type: string): Planner<TendrilConfig> {
  return {
    type,
    defaultIpam: "tendril",
    parse: parseTendrilConfig,
    usesIpam: () => true,
    links: (config, about) => [
      ...(config.bridge === undefined ? [] : bridge.links(config.bridge, about)),
      ...(limitsRates(config) ? bandwidth.links(config.bandwidth, about) : []),
    ],
    plan: planTendril,
    obstacles: (config, links) => (config.bridge === undefined ? [] : bridge.obstacles(config.bridge, links)),
  };
}

function planTendril(config: TendrilConfig, facts: Facts): Plan {
  const connected = config.bridge === undefined ? planRouted(config, facts) : planBridged(config.bridge, facts);
  return withHostPorts(config, facts, withRates(config, facts, connected));
}

function planRouted(config: TendrilConfig, facts: Facts): Plan {
  const { key, netns } = facts;
  const veth = planVeth(config, facts);
  const ips = (facts.ipam?.ips ?? []).map(({ address }): ResultAddress => {
    const ip = address.slice(0, address.indexOf("/"));
    return { address: alone(ip), gateway: GATEWAYS[familyOf(ip)], interface: 1 };
  });
  const families = [...new Set(ips.map(({ address }) => familyOf(address)))];
  const routes = routesOf(facts.ipam?.routes ?? [], families, config.defaultRoute);
  const addresses = ips.map(({ address }) => address);
  const resources: Resource[] = [
    ...planForwarding(families),
    ...planGuard("inet", veth.name, addresses, facts),
    veth,
    ...planHostEnd(veth.name, families),
    ...planAddresses(key.ifname, ips, {
      announce: [4, 6],
      ipv6: { accept_dad: "0", accept_ra: "0" },
      noPrefixRoute: true,
    }),
    planUp(key.ifname),
    ...families.map((family) => gatewayNeighbour(key.ifname, family, veth.mac)),
    ...(config.defaultRoute ? families.flatMap((family) => gatewayRoute(key.ifname, family)) : []),
    ...routes.map((route) => ({ ...podRoute(key.ifname, route), ...(!config.defaultRoute && { onlink: true }) })),
    ...addresses.map((address) => planWay(veth.name, address)),
    ...(config.ipMasq ? planHostMasquerade(facts) : []),
  ];
  const result: Result = {
    interfaces: pairInterfaces(veth, netns),
    ips,
    routes,
    dns: dnsOf(config, facts),
  };
  return { resources, result };
}

/**
 * Masquerade by the networks that the IPAM plugin has told, in which pods see each other as they are. The result has each
 * address alone, so without a record it is not known any more which network that was.
 */
function planHostMasquerade({ key, ipam, adopted, recovering }: Facts): Resource[] {
  if (adopted === undefined && !recovering) return planMasquerade(key, addressTexts(ipam?.ips ?? []));
  return [...planMasquerade(key, []), ...planLostMasquerade(key)];
}

/** Before any packet of the pod's can come in, only its own addresses are let through. */
function planGuard(guard: GuardFamily, link: string, addresses: readonly string[], facts: Facts): Resource[] {
  const comment = ownerComment(facts.key);
  const own = addresses.map((address) => address.slice(0, address.indexOf("/")));
  return [
    planPodGuard(guard),
    ...planPodSources(link, own, comment, guard),
    ...(facts.recovering ? [planLostPodSources(comment, guard)] : []),
  ];
}

function planVeth({ mtu, mac }: TendrilConfig, { key }: Facts): VethLink {
  return {
    kind: "link",
    where: "host",
    type: "veth",
    name: hostVethName(key),
    mac: attachmentMac("host", key),
    mtu,
    peer: { name: key.ifname, mac: mac ?? attachmentMac("container", key) },
  };
}

/**
 * The node's end. It answers for the gateway's IPv4 address, for a pod that has forgotten the MAC, without having it: an
 * address there would become the source of what the node itself sends to the pod. In IPv6 link-local addresses do not.
 */
function planHostEnd(link: string, families: readonly Family[]): Resource[] {
  const set = (name: string, value: string): SysctlResource => ({
    kind: "sysctl",
    where: "host",
    link,
    name,
    value,
    optional: true,
  });
  return [
    ...(families.includes(4)
      ? [
          set(`net/ipv4/conf/${link}/proxy_arp`, "1"),
          set(`net/ipv4/neigh/${link}/proxy_delay`, "0"),
          // What comes by this link must come from an address that the way to leads there.
          set(`net/ipv4/conf/${link}/rp_filter`, "1"),
        ]
      : []),
    ...(families.includes(6)
      ? [set(`net/ipv6/conf/${link}/accept_ra`, "0"), set(`net/ipv6/conf/${link}/accept_dad`, "0")]
      : []),
    { kind: "link-settings", where: "host", link, set: { up: true } },
    ...(families.includes(6)
      ? [{ kind: "address", where: "host", link, address: `${GATEWAYS[6]}/64` } as const satisfies Resource]
      : []),
  ];
}

/** The node's way to one of the pod's addresses. It asks for the MAC, which a later plugin of the chain may change. */
function planWay(link: string, address: string): RouteResource {
  const scope = familyOf(address) === 4 ? RT_SCOPE_LINK : undefined;
  return { kind: "route", where: "host", link, destination: address, scope };
}

/** On the link itself: no gateway leads there. @see linux/rtnetlink.h */
const RT_SCOPE_LINK = 253;

/** The pod knows the node's MAC beforehand. */
function gatewayNeighbour(link: string, family: Family, mac: string): NeighbourResource {
  return { kind: "neighbour", where: "container", link, ip: GATEWAYS[family], mac };
}

/** Link-local addresses have a route to their network by themselves in IPv6. */
function gatewayRoute(link: string, family: Family): RouteResource[] {
  if (family === 6) return [];
  const destination = alone(GATEWAYS[4]);
  return [{ kind: "route", where: "container", link, destination, scope: RT_SCOPE_LINK }];
}

/**
 * What the IPAM plugin gave, and a default route in each family that has none. Where that is another interface's, only
 * what leads elsewhere, and the gateway is taken to be on the link without a route to it: the other one may have the same.
 */
function routesOf(given: readonly ResultRoute[], families: readonly Family[], isDefault: boolean): ResultRoute[] {
  const routes = given.map((route) => ({ ...route, gw: GATEWAYS[familyOf(route.dst)] }));
  if (!isDefault) return routes.filter(({ dst }) => !/\/0$/.test(dst) && families.includes(familyOf(dst)));
  for (const family of families) {
    const dst = family === 4 ? "0.0.0.0/0" : "::/0";
    if (!routes.some((route) => route.dst === dst)) routes.push({ dst, gw: GATEWAYS[family] });
  }
  return routes;
}

function podRoute(link: string, { dst, gw, ...rest }: ResultRoute): RouteResource {
  return { kind: "route", where: "container", link, destination: dst, gateway: gw, ...rest };
}

/** A node may hold several blocks, each of which has its gateway on the bridge. */
function planBridged(config: NonNullable<TendrilConfig["bridge"]>, facts: Facts): Plan {
  const { resources, result } = bridge.plan(config, facts);
  const addresses = (result.ips ?? []).map(({ address }) => address);
  const port = hostVethName(facts.key);
  return {
    resources: [
      ...planGuard("bridge", port, addresses, facts),
      ...resources.map((one) => (one.kind === "address" && one.where === "host" ? { ...one, others: undefined } : one)),
    ],
    result,
  };
}

function limitsRates({ bandwidth: { ingress, egress } }: TendrilConfig): boolean {
  return ingress !== undefined || egress !== undefined;
}

function withRates(config: TendrilConfig, facts: Facts, { resources, result }: Plan): Plan {
  if (!limitsRates(config)) return { resources, result };
  const more = bandwidth.plan(config.bandwidth, { ...facts, prevResult: result });
  return { resources: [...resources, ...more.resources], result: more.result };
}

function withHostPorts(config: TendrilConfig, facts: Facts, { resources, result }: Plan): Plan {
  const more = portmap.plan(config.hostPorts, { ...facts, prevResult: result });
  return { resources: [...resources, ...more.resources], result };
}
