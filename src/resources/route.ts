/** Routes. */

import { canonicalAddress, familyOf } from "../core/ip.ts";
import type { RouteResource } from "../core/plan.ts";
import {
  deleteRoute,
  listRoutes,
  prependRoute,
  type Route,
  type RouteSpec,
  routeDestination,
} from "../linux/netlink/rtnetlink/route.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const route: ResourceKind<RouteResource> = {
  ensure(resource, kernel, undo) {
    const spec = toSpec(resource, kernel);
    kernel.post(resource.where, prependRoute(spec), (error) => {
      if (error === undefined) undo(() => removeRoute(resource, kernel));
      else if (error.code !== "EEXIST") throw error;
      else if (hasLostSource(resource, kernel)) {
        kernel.execute(resource.where, deleteRoute(spec), "ESRCH");
        kernel.execute(resource.where, prependRoute(spec), "EEXIST");
      }
    });
  },
  verify(resource, kernel) {
    if (!kernel.has(resource.where)) return ["the container's network namespace is gone"];
    return find(resource, kernel, isOneOfSeveral) ? [] : [`${title(resource)} is missing`];
  },
  remove: removeRoute,
  describe: (resource, naming) => [commandIn(resource.where, command("prepend", resource), naming)],
  describeRemoval: (resource, naming) => [commandIn(resource.where, command("delete", resource), naming)],
  carrier: ({ where, link }) => ({ where, link }),
};

/**
 * Whether a route that is there is sent from anywhere: when an address is deleted, IPv6 keeps the routes that prefer it,
 * without the preference, and takes one with it for the same. @see net/ipv6/route.c fib6_remove_prefsrc
 */
function hasLostSource(resource: RouteResource, kernel: Kernel): boolean {
  if (resource.preferredSource === undefined || familyOf(resource.destination) === 4) return false;
  return !find(resource, kernel, isOneOfSeveral) && isThere({ ...resource, preferredSource: undefined }, kernel);
}

/** Of several ways to one destination IPv6 tells what the first one has. */
function isOneOfSeveral({ nextHops }: Route): boolean {
  return nextHops !== undefined;
}

type AnyRoute = Omit<RouteResource, "kind">;

/** Whether there is such a route. Throws NetlinkError. */
export function isThere(resource: AnyRoute, kernel: Kernel): boolean {
  return find(resource, kernel, () => false);
}

/** Whether there is such a route, with its preferred source unless it may be sent from anywhere. */
function find(resource: AnyRoute, kernel: Kernel, fromAnywhere: (found: Route) => boolean): boolean {
  const { where, link, priority, table } = resource;
  const index = kernel.link(where, link)?.index;
  const destination = canonicalAddress(resource.destination);
  const gateway = resource.gateway && canonicalAddress(resource.gateway);
  const source = resource.preferredSource && canonicalAddress(resource.preferredSource);
  const routes = kernel.listing(`${where}/routes/${table}`, () =>
    Map.groupBy(listRoutes(kernel.route(where), table), routeDestination),
  );
  return (routes.get(destination) ?? []).some(
    (other) =>
      other.gateway === gateway &&
      other.outputIndex === index &&
      (source === undefined || other.preferredSource === source || fromAnywhere(other)) &&
      (priority === undefined || other.priority === priority),
  );
}

function removeRoute(resource: RouteResource, kernel: Kernel): void {
  if (!kernel.has(resource.where) || kernel.link(resource.where, resource.link) === undefined) return;
  kernel.execute(resource.where, deleteRoute(toSpec(resource, kernel)), "ESRCH", "ENODEV");
}

export function toSpec(
  { where, link, shared: _, ...spec }: AnyRoute & { readonly kind?: string },
  kernel: Kernel,
): RouteSpec {
  const { kind: __, ...route } = spec;
  return { ...route, outputIndex: kernel.index(where, link) };
}

/** The command by which a person would make or delete it. */
export function command(verb: "prepend" | "delete", resource: AnyRoute): string {
  const { destination, preferredSource, priority, table, scope, mtu, advmss, onlink, protocol } = resource;
  return [
    familyOf(destination) === 6 ? "ip -6 route" : "ip route",
    verb,
    title(resource).slice("route ".length),
    ...(preferredSource === undefined ? [] : [`src ${preferredSource}`]),
    ...(priority === undefined ? [] : [`metric ${priority}`]),
    ...(table === undefined ? [] : [`table ${table}`]),
    ...(scope === undefined ? [] : [`scope ${scope}`]),
    ...(protocol === undefined ? [] : [`protocol ${protocol}`]),
    ...(mtu === undefined ? [] : [`mtu ${mtu}`]),
    ...(advmss === undefined ? [] : [`advmss ${advmss}`]),
    ...(onlink ? ["onlink"] : []),
  ].join(" ");
}

export function title({ destination, gateway, link }: AnyRoute): string {
  return `route ${destination}${gateway === undefined ? "" : ` via ${gateway}`} dev ${link}`;
}
