/** How a namespace routes: the routes of a link, the rules, and which tables are in use. */

import type { LinkQuestion, LinkRoute, RoutingFact, RuleFact } from "../core/planner.ts";
import { AF_INET } from "../linux/libc.ts";
import {
  listAllRoutes,
  type Route,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_UNICAST,
  RTNH_F_ONLINK,
  routeDestination,
} from "../linux/netlink/rtnetlink/route.ts";
import { listRules, type Rule } from "../linux/netlink/rtnetlink/rule.ts";
import type { Kernel } from "../resources/kernel.ts";

/** The kernel remembers here what it has looked up. @see linux/rtnetlink.h */
const RTM_F_CLONED = 0x200;

/** Undefined where the namespace is gone. Throws KernelError. */
export function askRouting({ where, name }: LinkQuestion, kernel: Kernel): RoutingFact | undefined {
  if (!kernel.has(where)) return undefined;
  const link = kernel.link(where, name);
  const routes = listAllRoutes(kernel.route(where)).filter(({ flags }) => (flags & RTM_F_CLONED) === 0);
  const rules = listRules(kernel.route(where)).map(ruleFact);
  const vrfs = new Map<string, number>();
  const links = kernel.links(where);
  for (const { name: vrf, info } of links) {
    if (info?.vrf?.table !== undefined) vrfs.set(vrf, info.vrf.table);
  }
  const tables = new Set([...routes.map(tableOf), ...rules.map(({ table }) => table), ...vrfs.values()]);
  const ofLink = routes.filter(({ type, outputIndex }) => type === RTN_UNICAST && outputIndex === link?.index);
  return {
    routes: ofLink.map(routeFact).filter(isMovable),
    rules,
    tables: [...tables].sort((a, b) => a - b),
    master: links.find(({ index }) => index === link?.master)?.name,
    vrfs,
  };
}

function tableOf({ table, table8 }: Pick<Route, "table" | "table8">): number {
  return table ?? table8;
}

/** Link-local addresses are told apart by their links, so that their routes may stay in the main table. */
function isMovable({ table, destination }: LinkRoute): boolean {
  if (table === RT_TABLE_LOCAL) return false;
  return table !== RT_TABLE_MAIN || !(destination.startsWith("fe80:") || destination === "ff00::/8");
}

function routeFact(route: Route): LinkRoute {
  const { gateway, preferredSource, priority, scope, protocol, metrics, flags } = route;
  return {
    destination: routeDestination(route),
    gateway,
    preferredSource,
    priority,
    table: tableOf(route),
    scope,
    protocol,
    mtu: metrics?.mtu,
    advmss: metrics?.advmss,
    onlink: (flags & RTNH_F_ONLINK) !== 0 ? true : undefined,
  };
}

function ruleFact(rule: Rule): RuleFact {
  const { family, priority = 0, source, sourceLength } = rule;
  return {
    family: family === AF_INET ? 4 : 6,
    priority,
    table: tableOf(rule),
    from: source === undefined ? undefined : `${source}/${sourceLength}`,
  };
}
