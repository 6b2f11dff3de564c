/** Routes. */

import { familyOf } from "../core/ip.ts";
import type { RouteResource } from "../core/plan.ts";
import {
  deleteRoute,
  listRoutes,
  prependRoute,
  type RouteSpec,
  routeDestination,
} from "../linux/netlink/rtnetlink/route.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const route: ResourceKind<RouteResource> = {
  ensure(resource, kernel, undo) {
    kernel.post(resource.where, prependRoute(toSpec(resource, kernel)), (error) => {
      if (error === undefined) undo(() => removeRoute(resource, kernel));
      else if (error.code !== "EEXIST") throw error;
    });
  },
  verify(resource, kernel) {
    const { where, link, destination, gateway, preferredSource, priority, table } = resource;
    if (!kernel.has(where)) return ["the container's network namespace is gone"];
    const index = kernel.link(where, link)?.index;
    const found = listRoutes(kernel.route(where), table).some(
      (other) =>
        routeDestination(other) === destination &&
        other.gateway === gateway &&
        other.outputIndex === index &&
        (preferredSource === undefined || other.preferredSource === preferredSource || other.nextHops !== undefined) &&
        (priority === undefined || other.priority === priority),
    );
    return found ? [] : [`${title(resource)} is missing`];
  },
  remove: removeRoute,
  describe: (resource, naming) => [commandIn(resource.where, command("prepend", resource), naming)],
  describeRemoval: (resource, naming) => [commandIn(resource.where, command("delete", resource), naming)],
  carrier: ({ where, link }) => ({ where, link }),
};

type AnyRoute = Omit<RouteResource, "kind">;

/** Whether there is such a route. Throws NetlinkError. */
export function isThere(resource: AnyRoute, kernel: Kernel): boolean {
  const { where, link, destination, gateway, preferredSource, priority, table } = resource;
  const index = kernel.link(where, link)?.index;
  return listRoutes(kernel.route(where), table).some(
    (other) =>
      routeDestination(other) === destination &&
      other.gateway === gateway &&
      other.outputIndex === index &&
      (preferredSource === undefined || other.preferredSource === preferredSource) &&
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
