/**
 * `vrf`: puts the interface into a VRF of the container, a routing domain with a table of its own, which several of its
 * interfaces may share.
 * @see https://www.cni.dev/plugins/current/meta/vrf/
 */

import { ConflictError } from "../../core/errors.ts";
import type { AbsentRouteResource, Plan, Resource, RouteResource } from "../../core/plan.ts";
import type { Facts, LinkRoute, Planner, RoutingFact } from "../../core/planner.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import { integer, interfaceName, object, withDefault } from "../../core/schema.ts";

export interface VrfConfig {
  readonly name: string;
  /** The VRF's routing table; 0 for whichever it has, or for a free one. */
  readonly table: number;
}

/** @see linux/rtnetlink.h */
const RT_TABLE_MAIN = 254;
const RTPROT_KERNEL = 2;

const fields = object({ vrfname: interfaceName, table: withDefault(integer(0, 0xffffffff), 0) });

export const vrf: Planner<VrfConfig> = {
  type: "vrf",
  chained: true,
  parse(config: NetworkConfig) {
    const { vrfname: name, table } = fields(config, "");
    return { name, table };
  },
  usesIpam: () => false,
  links: () => [],
  routing: (_, { ifname = "" }) => ({ where: "container", name: ifname }),
  plan: planVrf,
  obstacles: () => [],
};

function planVrf(config: VrfConfig, { key, routing, prevResult = {}, adopted, recovering }: Facts): Plan {
  const { name } = config;
  const link = key.ifname;
  const table = tableOf(config, routing);
  const isAdd = adopted === undefined && !recovering;
  if (isAdd && routing?.master !== undefined) {
    throw new ConflictError(`Interface "${link}" cannot be in VRF "${name}": it is a port of "${routing.master}"`);
  }
  // Those that the kernel makes of addresses it moves itself. Without a record they are in the VRF's table already.
  const routes = (routing?.routes ?? []).filter(
    ({ table: present, protocol }) => protocol !== RTPROT_KERNEL && present === (isAdd ? RT_TABLE_MAIN : table),
  );
  const resources: Resource[] = [
    { kind: "link", type: "vrf", where: "container", name, table },
    { kind: "link-settings", where: "container", link: name, set: { up: true } },
    ...routes.map((route): AbsentRouteResource => ({ ...toResource(route, link), kind: "absent-route" })),
    { kind: "vrf-port", where: "container", link, vrf: name },
    ...routes.map((route): RouteResource => ({ ...toResource(route, link), table })),
  ];
  return { resources, result: prevResult };
}

/** The one that is configured, that the VRF has already, or the first that nobody names. */
function tableOf({ name, table }: VrfConfig, routing: RoutingFact | undefined): number {
  const present = routing?.vrfs.get(name);
  if (table !== 0) return table;
  if (present !== undefined) return present;
  const used = new Set(routing?.tables);
  let free = 1;
  while (used.has(free)) free++;
  return free;
}

function toResource({ table: _, ...route }: LinkRoute, link: string): RouteResource {
  return { kind: "route", where: "container", link, ...route };
}
