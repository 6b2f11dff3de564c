/** Tracked connections that lead where they no longer should: they are forgotten, so that they start anew. */

import type { ConntrackResource, TrackedFlows, Where } from "../core/plan.ts";
import {
  deleteFlows,
  destinationOf,
  type Flow,
  type FlowPattern,
  IPPROTO_UDP,
  listFlows,
} from "../linux/netlink/conntrack.ts";
import { NetlinkError } from "../linux/netlink/error.ts";
import { lookUpRoute, RTN_LOCAL } from "../linux/netlink/rtnetlink/route.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type Naming, type ResourceKind } from "./resource.ts";

const PROTOCOLS: { readonly [K in TrackedFlows["protocol"]]: number } = { udp: IPPROTO_UDP };

export const conntrack: ResourceKind<ConntrackResource> = {
  ensure(resource, kernel, undo) {
    if (resource.when === "made") forget(resource, kernel);
    // What has started meanwhile must not outlive what it was led by.
    else undo(() => forget(resource, kernel));
  },
  // A connection that comes later has found the way that is right.
  verify: () => [],
  remove(resource, kernel) {
    if (resource.when === "removed") forget(resource, kernel);
  },
  describe: (resource, naming) => (resource.when === "made" ? commands(resource, naming) : []),
  describeRemoval: (resource, naming) => (resource.when === "removed" ? commands(resource, naming) : []),
};

function forget({ where, flows }: ConntrackResource, kernel: Kernel): void {
  if (!kernel.has(where)) return;
  const isLocal = localTo(kernel, where);
  for (const { protocol, port, ...pattern } of flows) {
    const found = list({ ...pattern, protocol: PROTOCOLS[protocol], destinationPort: port }, kernel, where);
    const stale = pattern.destination === undefined ? found.filter(isLocal) : found;
    if (stale.length > 0) deleteFlows(kernel.netfilter(where), stale);
  }
}

function list(pattern: FlowPattern, kernel: Kernel, where: Where): Flow[] {
  try {
    return listFlows(kernel.netfilter(where), pattern);
  } catch (error) {
    // A kernel that does not offer its table (CONFIG_NF_CT_NETLINK) lets each connection time out.
    if (error instanceof NetlinkError && error.code === "EINVAL") return [];
    throw error;
  }
}

/** Whether the first packet of a flow was for an address of the host. */
function localTo(kernel: Kernel, where: Where): (flow: Flow) => boolean {
  const known = new Map<string, boolean>();
  return ({ original }) => {
    const address = destinationOf(original) ?? "";
    let is = known.get(address);
    if (is === undefined) {
      is = lookUpRoute(kernel.route(where), address)?.type === RTN_LOCAL;
      known.set(address, is);
    }
    return is;
  };
}

/** conntrack(8) fails where it found nothing to delete. */
function commands({ where, flows }: ConntrackResource, naming: Naming): string[] {
  return flows.map(({ family, protocol, destination, port, answeredBy }) => {
    const command = [
      `conntrack -D -f ipv${family} -p ${protocol} --orig-port-dst ${port}`,
      ...(destination === undefined ? [] : [`--orig-dst ${destination}`]),
      ...(answeredBy === undefined ? [] : [`--reply-src ${answeredBy}`]),
    ].join(" ");
    return commandIn(where, `${command} || true`, naming);
  });
}
