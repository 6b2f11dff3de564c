/** Forwarding entries of tunnels: behind which node a MAC address is. */

import { canonicalAddress } from "../core/ip.ts";
import type { ForwardingResource } from "../core/plan.ts";
import { AF_BRIDGE } from "../linux/libc.ts";
import {
  deleteForwarding,
  listNeighbours,
  NTF_SELF,
  NUD_PERMANENT,
  setForwarding,
} from "../linux/netlink/rtnetlink/neighbour.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const forwarding: ResourceKind<ForwardingResource> = {
  ensure({ where, link, mac, destination }, kernel, undo) {
    const index = kernel.index(where, link);
    kernel.post(where, setForwarding({ index, mac, destination }), (error) => {
      if (error !== undefined) throw error;
      undo(() => kernel.execute(where, deleteForwarding({ index, mac, destination }), "ENOENT", "ENODEV"));
    });
  },
  verify({ where, link, mac, destination }, kernel) {
    if (!kernel.has(where)) return ["the container's network namespace is gone"];
    const index = kernel.link(where, link)?.index;
    const listed = kernel.listing(`${where}/forwarding`, () =>
      Map.groupBy(listNeighbours(kernel.route(where), AF_BRIDGE), ({ linkAddress }) => linkAddress),
    );
    const found = listed.get(mac)?.find((other) => other.index === index && (other.flags & NTF_SELF) !== 0);
    if (found === undefined || (found.state & NUD_PERMANENT) === 0) return [`${mac} on "${link}" has no way`];
    return found.destination === canonicalAddress(destination)
      ? []
      : [`${mac} on "${link}" is behind ${found.destination}, not ${destination}`];
  },
  remove({ where, link, mac, destination }, kernel) {
    if (!kernel.has(where)) return;
    const index = kernel.link(where, link)?.index;
    if (index === undefined) return;
    kernel.execute(where, deleteForwarding({ index, mac, destination }), "ENOENT", "ENODEV");
  },
  describe: ({ where, link, mac, destination }, naming) => [
    commandIn(where, `bridge fdb replace ${mac} dev ${link} dst ${destination} self permanent`, naming),
  ],
  describeRemoval: ({ where, link, mac, destination }, naming) => [
    commandIn(where, `bridge fdb del ${mac} dev ${link} dst ${destination} self`, naming),
  ],
  carrier: ({ where, link }) => ({ where, link }),
};
