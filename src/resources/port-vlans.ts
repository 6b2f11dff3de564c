/** The VLANs that a bridge's port lets through: exactly these. */

import { KernelFeatureError } from "../core/errors.ts";
import type { PortVlansResource } from "../core/plan.ts";
import { addPortVlan, deletePortVlan, listPortVlans, type PortVlan } from "../linux/netlink/rtnetlink/bridge-vlan.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const portVlans: ResourceKind<PortVlansResource> = {
  ensure({ where, link, vlans, only }, kernel) {
    const index = kernel.index(where, link);
    const present = listPortVlans(kernel.route(where), index);
    for (const { vlan } of only ? present.filter((one) => !vlans.some((wanted) => isSame(one, wanted))) : []) {
      kernel.execute(where, deletePortVlan(index, link, vlan));
    }
    for (const wanted of vlans) {
      if (present.some((one) => isSame(one, wanted))) continue;
      kernel.post(where, addPortVlan(index, link, wanted), (error) => {
        if (error === undefined) return;
        if (error.code !== "EOPNOTSUPP") throw error;
        const feature = "CONFIG_BRIDGE_VLAN_FILTERING";
        const message = `Cannot add VLAN ${wanted.vlan} to "${link}": this kernel has no VLAN filtering on bridges (${feature})`;
        throw new KernelFeatureError(feature, message, { cause: error });
      });
    }
  },
  verify({ where, link, vlans, only }, kernel) {
    const found = kernel.link(where, link);
    if (found === undefined) return [`port "${link}" is gone with its VLANs`];
    const present = listPortVlans(kernel.route(where), found.index);
    const missing = vlans.filter((wanted) => !present.some((one) => isSame(one, wanted)));
    const extra = only ? present.filter((one) => !vlans.some((wanted) => isSame(one, wanted))) : [];
    return [
      ...missing.map(({ vlan }) => `port "${link}" does not let VLAN ${vlan} through as it should`),
      ...extra.map(({ vlan }) => `port "${link}" lets VLAN ${vlan} through`),
    ];
  },
  // They go with the port.
  remove() {},
  describe: ({ where, link, vlans, only }, naming) =>
    [
      ...(only && !vlans.some(({ vlan }) => vlan === 1) ? [`bridge vlan delete dev ${link} vid 1`] : []),
      ...vlans.map(({ vlan, pvid, untagged }) =>
        [`bridge vlan add dev ${link} vid ${vlan}`, ...(pvid ? ["pvid"] : []), ...(untagged ? ["untagged"] : [])].join(
          " ",
        ),
      ),
    ].map((command) => commandIn(where, command, naming)),
  describeRemoval: () => [],
  carrier: ({ where, link }) => ({ where, link }),
};

function isSame(a: PortVlan, b: PortVlan): boolean {
  return a.vlan === b.vlan && a.pvid === b.pvid && a.untagged === b.untagged;
}
