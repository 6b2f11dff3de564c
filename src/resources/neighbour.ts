/** Permanent neighbour entries. */

import { canonicalAddress, familyOf } from "../core/ip.ts";
import type { NeighbourResource } from "../core/plan.ts";
import { AF_INET, AF_INET6 } from "../linux/libc.ts";
import { deleteNeighbour, listNeighbours, NUD_PERMANENT, setNeighbour } from "../linux/netlink/rtnetlink/neighbour.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const neighbour: ResourceKind<NeighbourResource> = {
  ensure(resource, kernel, undo) {
    const index = kernel.index(resource.where, resource.link);
    kernel.post(resource.where, setNeighbour({ index, ip: resource.ip, mac: resource.mac }), (error) => {
      if (error !== undefined) throw error;
      undo(() => removeNeighbour(resource, kernel));
    });
  },
  verify({ where, link, ip, mac }, kernel) {
    if (!kernel.has(where)) return ["the container's network namespace is gone"];
    const index = kernel.link(where, link)?.index;
    const family = familyOf(ip) === 4 ? AF_INET : AF_INET6;
    const listed = kernel.listing(`${where}/neighbours/${family}`, () =>
      Map.groupBy(listNeighbours(kernel.route(where), family), ({ destination }) => destination),
    );
    const found = listed.get(canonicalAddress(ip))?.find((other) => other.index === index);
    if (found === undefined || (found.state & NUD_PERMANENT) === 0) return [`neighbour ${ip} on "${link}" is missing`];
    return found.linkAddress === mac ? [] : [`neighbour ${ip} on "${link}" is at ${found.linkAddress}, not ${mac}`];
  },
  remove: removeNeighbour,
  describe: ({ where, link, ip, mac }, naming) => [
    commandIn(where, `ip neighbour replace ${ip} lladdr ${mac} dev ${link} nud permanent`, naming),
  ],
  describeRemoval: ({ where, link, ip }, naming) => [commandIn(where, `ip neighbour delete ${ip} dev ${link}`, naming)],
  carrier: ({ where, link }) => ({ where, link }),
};

function removeNeighbour({ where, link, ip }: NeighbourResource, kernel: Kernel): void {
  if (!kernel.has(where)) return;
  const index = kernel.link(where, link)?.index;
  if (index !== undefined) kernel.execute(where, deleteNeighbour({ index, ip }), "ENOENT", "ENODEV");
}
