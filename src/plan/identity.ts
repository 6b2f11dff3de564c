/**
 * Which resources are one and the same thing in the kernel: what has the identity of another takes its place, and so
 * is a change of it and not something beside it.
 */

import { canonicalAddress as canonical, familyOf } from "../core/ip.ts";
import type { Resource, RouteResource } from "../core/plan.ts";

/** What a route has when it does not say. @see linux/rtnetlink.h RT_TABLE_MAIN, linux/ipv6_route.h IP6_RT_PRIO_USER */
const MAIN_TABLE = 254;
export const IPV6_PRIORITY = 1024;

/** A text that only resources have which cannot be there beside each other. */
export function identityOf(resource: Resource): string {
  const parts = partsOf(resource);
  return parts === undefined ? textOf(resource) : [resource.kind, resource.where, ...parts].join(" ");
}

function partsOf(resource: Resource): unknown[] | undefined {
  switch (resource.kind) {
    case "link":
      return [resource.name];
    case "link-settings":
      return [resource.link, ...Object.keys(resource.set).sort()];
    case "address":
      return [resource.link, canonical(resource.address)];
    case "route":
      return routeParts(resource);
    case "neighbour":
      return [resource.link, canonical(resource.ip)];
    case "forwarding":
      return [resource.link, resource.mac];
    case "sysctl":
      return [resource.name];
    case "nft-table":
      return [resource.table.family, resource.table.name, ...resource.chains.map(({ chain }) => chain.name)];
    case "nft-chain":
    case "nft-admin-chain":
      return [resource.chain.family, resource.chain.table, resource.chain.name];
    case "nft-element": {
      const { set, key } = resource.element;
      return [set.family, set.table, set.name, JSON.stringify(key)];
    }
    default:
      return undefined;
  }
}

function routeParts({ link, destination, gateway, priority, table }: RouteResource): unknown[] {
  return [
    link,
    canonical(destination),
    gateway === undefined ? "direct" : canonical(gateway),
    priority ?? (familyOf(destination) === 6 ? IPV6_PRIORITY : 0),
    table ?? MAIN_TABLE,
  ];
}

/** Whether two resources ask for the same in every respect. */
export function isSame(a: Resource, b: Resource): boolean {
  return a === b || textOf(a) === textOf(b);
}

/** All that a resource says, whatever the order in which it says it. */
function textOf(resource: Resource): string {
  return JSON.stringify(resource, (key, value: unknown) => {
    if (typeof value === "string") return ADDRESSES.has(key) ? canonical(value) : value;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)));
  });
}

const ADDRESSES: ReadonlySet<string> = new Set(["address", "destination", "gateway", "ip", "local", "preferredSource"]);
