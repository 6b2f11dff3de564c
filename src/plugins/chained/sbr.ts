/**
 * `sbr`: source based routing. What the container sends from an address of the interface takes the interface's own
 * routes, in a table for each address; what it sends from others does not know them.
 * @see https://www.cni.dev/plugins/current/meta/sbr/
 */

import { cidrContains, formatCidr, networkOf, parseCidr } from "../../core/cidr.ts";
import { ConfigError } from "../../core/errors.ts";
import { alone, type Family, familyOf, parseIp } from "../../core/ip.ts";
import type { AbsentRouteResource, Plan, Resource, RouteResource, RuleResource } from "../../core/plan.ts";
import type { Facts, LinkRoute, Planner, RoutingFact } from "../../core/planner.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import type { Result, ResultAddress } from "../../core/result.ts";
import { boolean, integer, ipText, list, object, optional, withDefault } from "../../core/schema.ts";

export interface SbrConfig {
  /** Only look this table up, which others fill. */
  readonly table: number | undefined;
  /** Gateways in the place of those of the result, at most one of each family. */
  readonly gateways: ReadonlyMap<Family, string>;
  /** Keep the way to the addresses' own networks for what is sent without a source. */
  readonly addSourceHints: boolean;
}

/** Of a namespace that is gone. */
const NO_ROUTING: RoutingFact = { routes: [], rules: [], tables: [], vrfs: new Map() };

/** The first of the tables that are chosen. */
const FIRST_TABLE = 100;

/** @see linux/rtnetlink.h */
const RT_TABLE_MAIN = 254;
const RT_SCOPE_LINK = 253;
const RTPROT_KERNEL = 2;
const RTPROT_BOOT = 3;
/** The priority of an IPv6 route that is given none, and of one that the kernel makes of an address. */
const IP6_RT_PRIO_USER = 1024;
const IP6_RT_PRIO_ADDRCONF = 256;

const fields = object({
  table: optional(integer(1, 0xffffffff)),
  gateways: withDefault(list(ipText), []),
  addSourceHints: withDefault(boolean, false),
});

export const sbr: Planner<SbrConfig> = {
  type: "sbr",
  chained: true,
  parse: parseSbrConfig,
  usesIpam: () => false,
  links: (_, { ifname }) => (ifname === undefined ? [] : [{ where: "container", name: ifname, addresses: true }]),
  routing: (_, { ifname = "" }) => ({ where: "container", name: ifname }),
  plan: planSbr,
  obstacles: () => [],
};

function parseSbrConfig(config: NetworkConfig): SbrConfig {
  const { table, gateways: given, addSourceHints } = fields(config, "");
  const gateways = new Map<Family, string>();
  for (const [i, gateway] of given.entries()) {
    const family = familyOf(gateway);
    if (gateways.has(family)) {
      throw new ConfigError(`gateways[${i}]`, `is a second one of IPv${family}`, { value: gateway });
    }
    gateways.set(family, gateway);
  }
  return { table, gateways, addSourceHints };
}

function planSbr(config: SbrConfig, facts: Facts): Plan {
  const { key, links, routing = NO_ROUTING, prevResult = {} } = facts;
  const isAdd = facts.adopted === undefined && !facts.recovering;
  if (!isAdd) return { resources: planFound(config, facts, routing), result: prevResult };
  const ips = addressesOf(prevResult, key.ifname);
  // Asked what it would do, before the interface is there, it takes the routes that there will be.
  const isThere = links.get(`container/${key.ifname}`) !== undefined;
  const known = isThere ? routing : { ...routing, routes: routesToCome(ips, prevResult) };
  return { resources: planAdd(config, key.ifname, ips, known), result: prevResult };
}

/** The routes that the result speaks of, and those that the kernel makes of its addresses. */
function routesToCome(ips: readonly ResultAddress[], { routes = [] }: Result): LinkRoute[] {
  const gatewayOf = (family: Family) => ips.find(({ gateway }) => gateway && familyOf(gateway) === family)?.gateway;
  const ofKernel = ips.flatMap(({ address }): LinkRoute[] => {
    const cidr = parseCidr(address);
    if (cidr === undefined) return [];
    const common = { destination: formatCidr(networkOf(cidr)), table: RT_TABLE_MAIN, protocol: RTPROT_KERNEL };
    if (cidr.ip.family === 6) return [{ ...common, scope: 0, priority: IP6_RT_PRIO_ADDRCONF }];
    // An address that is alone has no network.
    return cidr.bits === 32 ? [] : [{ ...common, scope: RT_SCOPE_LINK, preferredSource: address.split("/")[0] }];
  });
  const ofResult = routes.map(({ dst: destination, gw, table = RT_TABLE_MAIN, scope, ...rest }): LinkRoute => {
    const gateway = gw ?? gatewayOf(familyOf(destination));
    const byDefault = familyOf(destination) === 6 || gateway !== undefined ? 0 : RT_SCOPE_LINK;
    return { destination, gateway, table, scope: scope ?? byDefault, protocol: RTPROT_BOOT, ...rest };
  });
  return [...ofKernel, ...ofResult];
}

/** The result's addresses of the interface; one that is not said to be another's is taken for its. Throws ConfigError. */
function addressesOf({ ips = [], interfaces = [] }: Result, ifname: string): ResultAddress[] {
  const own = ips.filter(({ interface: index }) => {
    const of = index === undefined ? undefined : interfaces[index];
    return of === undefined || of.name === ifname;
  });
  if (own.length > 0) return own;
  throw new ConfigError("prevResult", `has no address of interface "${ifname}", whose routes are to be chosen by it`, {
    value: ips.map(({ address }) => address),
  });
}

/** Tables first and rules after them; what the main table has goes last, for gateways are reached by it until then. */
function planAdd(
  config: SbrConfig,
  link: string,
  ips: readonly ResultAddress[],
  routing: RoutingFact,
): readonly Resource[] {
  const rules = planRules(config, ips, routing);
  if (config.table !== undefined) return rules;
  const families = new Set(ips.map(({ address }) => familyOf(address)));
  const main = routing.routes.filter(
    ({ table, destination }) => table === RT_TABLE_MAIN && families.has(familyOf(destination)),
  );
  const tables = rules.flatMap(({ table }, i) => planTable(config, link, ips[i] as ResultAddress, table, main));
  const hints = config.addSourceHints ? planHints(link, ips) : [];
  const gone = main.filter((route) => !stays(route, hints, config));
  return [
    ...tables,
    ...rules,
    ...hints.filter((hint) => !main.some((route) => stays(route, [hint], config) && isSame(route, hint))),
    ...byGatewayFirst(gone).map((route): AbsentRouteResource => ({ ...toResource(route, link), kind: "absent-route" })),
  ];
}

/** For each address a rule, with the priority that the kernel would choose, and where none is configured a free table. */
function planRules({ table }: SbrConfig, ips: readonly ResultAddress[], routing: RoutingFact): RuleResource[] {
  const used = new Set(routing.tables);
  const priorities = new Map<Family, number>();
  let next = FIRST_TABLE;
  return ips.map(({ address }) => {
    const family = familyOf(address);
    while (table === undefined && used.has(next)) next++;
    const priority = Math.max((priorities.get(family) ?? secondPriority(family, routing)) - 1, 0);
    priorities.set(family, priority);
    return {
      kind: "rule",
      where: "container",
      family,
      priority,
      table: table ?? next++,
      from: alone(address),
    };
  });
}

/** A new rule comes right before the second one, the first being that of the local table. @see net/core/fib_rules.c fib_default_rule_pref */
function secondPriority(family: Family, { rules }: RoutingFact): number {
  return rules.filter((rule) => rule.family === family)[1]?.priority ?? 0;
}

/** The address's default route, and those of the interface's routes that can be of use to it. */
function planTable(
  { gateways }: SbrConfig,
  link: string,
  { address, gateway: given }: ResultAddress,
  table: number,
  main: readonly LinkRoute[],
): RouteResource[] {
  const family = familyOf(address);
  const routes = new Map<string, LinkRoute>();
  const configured = gateways.get(family);
  const gateway = configured ?? given;
  const destination = family === 4 ? "0.0.0.0/0" : "::/0";
  const own = { destination, gateway, table, scope: 0, protocol: RTPROT_BOOT };
  if (gateway !== undefined) routes.set(placeOf(own), own);
  for (const route of main) {
    if (familyOf(route.destination) !== family || !isOf(address, route)) continue;
    const place = placeOf(route);
    // A route takes the place of one to the same destination, but for a gateway that the configuration insists on.
    if (configured === undefined || place !== placeOf(own)) routes.set(place, { ...route, table });
  }
  return byGatewayFirst([...routes.values()])
    .toReversed()
    .map((route) => toResource(route, link));
}

/** A table has one route for each destination and priority. */
function placeOf({ destination, priority }: Pick<LinkRoute, "destination" | "priority">): string {
  return `${destination} ${priority ?? (familyOf(destination) === 6 ? IP6_RT_PRIO_USER : 0)}`;
}

/** Whether a route is sent from, or leads by, the address's network; or is for anybody. */
function isOf(address: string, { preferredSource, gateway }: LinkRoute): boolean {
  const network = parseCidr(address);
  const others = [preferredSource, gateway].filter((one) => one !== undefined);
  if (network === undefined || others.length === 0) return true;
  return others.some((one) => {
    const ip = parseIp(one);
    return ip !== undefined && cidrContains(network, ip);
  });
}

/** The way to each address's own network in the main table, sent from that address; of two in one network the last. */
function planHints(link: string, ips: readonly ResultAddress[]): RouteResource[] {
  const hints = new Map<string, RouteResource>();
  for (const { address } of ips) {
    const cidr = parseCidr(address);
    if (cidr === undefined) continue;
    const destination = formatCidr(networkOf(cidr));
    hints.set(destination, {
      kind: "route",
      where: "container",
      link,
      destination,
      preferredSource: address.split("/")[0],
      scope: cidr.ip.family === 4 ? RT_SCOPE_LINK : undefined,
    });
  }
  return [...hints.values()];
}

/** With hints the routes on the link stay, unless a hint takes their place. */
function stays(route: LinkRoute, hints: readonly RouteResource[], { addSourceHints }: SbrConfig): boolean {
  if (!addSourceHints || route.scope !== RT_SCOPE_LINK) return false;
  return hints.every((hint) => placeOf(hint) !== placeOf(route) || isSame(route, hint));
}

function isSame({ destination, preferredSource }: LinkRoute, hint: RouteResource): boolean {
  return destination === hint.destination && preferredSource === hint.preferredSource;
}

function byGatewayFirst(routes: readonly LinkRoute[]): LinkRoute[] {
  const [by, on] = [
    (route: LinkRoute) => route.gateway !== undefined,
    (route: LinkRoute) => route.gateway === undefined,
  ];
  return [...routes.filter(by), ...routes.filter(on)];
}

function toResource(route: LinkRoute, link: string): RouteResource {
  const { table, ...rest } = route;
  return { kind: "route", where: "container", link, ...rest, table: table === RT_TABLE_MAIN ? undefined : table };
}

/**
 * Without a record, such as after another vendor's ADD: the rules for the interface's addresses, and its routes in the
 * tables that they name. An address without a rule gets the one that ADD would make, for CHECK to miss.
 */
function planFound(config: SbrConfig, { key, links, prevResult }: Facts, routing: RoutingFact): readonly Resource[] {
  const link = key.ifname;
  const present = links.get(`container/${link}`)?.addresses ?? [];
  const addresses =
    prevResult?.ips === undefined ? present : addressesOf(prevResult, link).map(({ address }) => address);
  const found = addresses.map((address) =>
    routing.rules.find(({ from, table }) => from === alone(address) && (config.table ?? table) === table),
  );
  const missing = addresses.filter((_, i) => found[i] === undefined).map((address): ResultAddress => ({ address }));
  const rules = found.filter((rule) => rule !== undefined);
  const tables = new Set(config.table === undefined ? rules.map(({ table }) => table) : []);
  return [
    ...routing.routes.filter(({ table }) => tables.has(table)).map((route) => toResource(route, link)),
    ...rules.map(({ from, ...rule }): RuleResource => ({ kind: "rule", where: "container", ...rule, from })),
    ...(prevResult === undefined ? [] : planRules(config, missing, routing)),
  ];
}
