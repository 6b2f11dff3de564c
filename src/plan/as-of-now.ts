/** What CHECK verifies: what ADD has made, with what later plugins of the chain have changed since. */

import type { AbsentRouteResource, AddressResource, Resource } from "../core/plan.ts";
import { type Call, storeCall } from "../core/plugin.ts";
import type { Result, ResultInterface } from "../core/result.ts";
import { recordsOfContainer } from "./record.ts";

/**
 * The resources of an interface plugin: the interface's MAC, MTU and addresses are those of the result that the runtime
 * holds, routes that a later plugin has taken away are not looked for, and the IPAM plugin is asked with that result, as
 * the specification has it.
 */
export function asOfNow(
  resources: readonly Resource[],
  ifname: string,
  call: Call,
  { runFolder }: { readonly runFolder: string },
): Resource[] {
  const { prevResult } = call.config;
  const [index, now] = interfaceOf(prevResult, ifname);
  const adjusted = resources.map((resource) => {
    if (resource.kind === "lease") return { ...resource, call: storeCall(call) };
    return changed(resource, ifname, now);
  });
  // An interface that a program drives is none of the kernel's.
  if (!resources.some(({ kind }) => kind !== "lease")) return adjusted;
  const known = new Set(resources.map((resource) => (resource.kind === "address" ? resource.address : "")));
  const added = (prevResult?.ips ?? [])
    .filter((ip) => index >= 0 && ip.interface === index && !known.has(ip.address))
    .map(({ address }): AddressResource => ({ kind: "address", where: "container", link: ifname, address }));
  const kept = hasOtherMac(resources, ifname, now) ? adjusted.filter((one) => !isNeighbourOf(ifname, one)) : adjusted;
  return [...withoutTaken(kept, takenRoutes(call, runFolder)), ...added];
}

/** Whether a later plugin has given the interface another MAC: then the kernel has forgotten its neighbours. */
function hasOtherMac(resources: readonly Resource[], ifname: string, { mac }: Partial<ResultInterface>): boolean {
  const pair = resources.find((one) => one.kind === "link" && one.type === "veth" && one.peer.name === ifname);
  return mac !== undefined && pair?.kind === "link" && pair.type === "veth" && pair.peer.mac !== mac;
}

function isNeighbourOf(ifname: string, resource: Resource): boolean {
  return resource.kind === "neighbour" && resource.where === "container" && resource.link === ifname;
}

/** The resources of a chained plugin, with the MAC and MTU of the result that the runtime holds. */
export function asChangedSince(resources: readonly Resource[], ifname: string, { config }: Call): Resource[] {
  const [, now] = interfaceOf(config.prevResult, ifname);
  return resources.map((resource) => changed(resource, ifname, now));
}

function interfaceOf(result: Result | undefined, ifname: string): [index: number, found: Partial<ResultInterface>] {
  const index = result?.interfaces?.findIndex(({ name, sandbox }) => name === ifname && sandbox !== undefined) ?? -1;
  return [index, result?.interfaces?.[index] ?? {}];
}

function changed(resource: Resource, ifname: string, { mac, mtu }: Partial<ResultInterface>): Resource {
  switch (resource.kind) {
    case "moved-link":
      return resource.before === undefined || mac === undefined
        ? resource
        : { ...resource, before: { ...resource.before, mac } };
    case "link-settings": {
      const { where, link, set } = resource;
      if (where !== "container" || link !== ifname) return resource;
      const own = { mac: set.mac && (mac ?? set.mac), mtu: set.mtu && (mtu ?? set.mtu) };
      return { ...resource, set: { ...set, ...own } };
    }
    case "link": {
      if (mac === undefined) return resource;
      if (resource.type === "veth") {
        return resource.peer.name === ifname ? { ...resource, peer: { ...resource.peer, mac } } : resource;
      }
      const isIt = resource.where === "container" && resource.name === ifname;
      return isIt ? { ...resource, mac, ...(mtu !== undefined && "mtu" in resource ? { mtu } : {}) } : resource;
    }
    default:
      return resource;
  }
}

/** What other plugins of ours have taken away from this attachment. */
function takenRoutes({ config, containerId, ifname, warn }: Call, runFolder: string): AbsentRouteResource[] {
  return recordsOfContainer(runFolder, containerId, warn)
    .filter(({ key }) => key.network === config.name && key.ifname === ifname)
    .flatMap(({ resources }) => resources)
    .filter((resource) => resource.kind === "absent-route");
}

function withoutTaken(resources: readonly Resource[], taken: readonly AbsentRouteResource[]): Resource[] {
  return resources.filter((resource) => {
    if (resource.kind !== "route") return true;
    const { where, link, destination, gateway, table } = resource;
    return !taken.some(
      (other) =>
        other.where === where &&
        other.link === link &&
        other.destination === destination &&
        other.gateway === gateway &&
        other.table === table,
    );
  });
}
