/** Links that are made, each type in a file of its own; those that few plans have are loaded when a plan has one. */

import { late } from "../../core/late.ts";
import type { LinkResource } from "../../core/plan.ts";
import { commandIn, type ResourceKind } from "../resource.ts";
import { bridge } from "./bridge.ts";
import type { LinkType } from "./type.ts";
import { veth } from "./veth.ts";

const macvlan = late(
  ["macvlan"],
  () => import("./macvlan.ts"),
  () => require("./macvlan.ts"),
);
const ipvlan = late(
  ["ipvlan"],
  () => import("./ipvlan.ts"),
  () => require("./ipvlan.ts"),
);
const vlan = late(
  ['"vlanId"'],
  () => import("./vlan.ts"),
  () => require("./vlan.ts"),
);
const plain = late(
  ["dummy", "bandwidth"],
  () => import("./plain.ts"),
  () => require("./plain.ts"),
);
const vrf = late(
  ["vrf"],
  () => import("./vrf.ts"),
  () => require("./vrf.ts"),
);
const tap = late(
  ['"tap"'],
  () => import("./tap.ts"),
  () => require("./tap.ts"),
);
const vxlan = late(
  [],
  () => import("./vxlan.ts"),
  () => require("./vxlan.ts"),
);
const tunnel = late(
  [],
  () => import("./tunnel.ts"),
  () => require("./tunnel.ts"),
);

const types: { readonly [T in LinkResource["type"]]: LinkType<Extract<LinkResource, { type: T }>> } = {
  bridge,
  veth,
  get macvlan() {
    return macvlan().macvlan;
  },
  get ipvlan() {
    return ipvlan().ipvlan;
  },
  get vlan() {
    return vlan().vlan;
  },
  get dummy() {
    return plain().plain;
  },
  get ifb() {
    return plain().plain;
  },
  get vrf() {
    return vrf().vrf;
  },
  get tun() {
    return tap().tap;
  },
  get vxlan() {
    return vxlan().vxlan;
  },
  get ipip() {
    return tunnel().tunnel;
  },
  get sit() {
    return tunnel().tunnel;
  },
};

function typeOf(resource: LinkResource): LinkType<LinkResource> {
  return types[resource.type] as LinkType<LinkResource>;
}

export const link: ResourceKind<LinkResource> = {
  ensure: (resource, kernel, undo) => typeOf(resource).ensure(resource, kernel, undo),
  verify: (resource, kernel) => typeOf(resource).verify(resource, kernel),
  remove: (resource, kernel) => typeOf(resource).remove(resource, kernel),
  describe: (resource, naming) => typeOf(resource).describe(resource, naming),
  describeRemoval: ({ where, name }, naming) => [commandIn(where, `ip link delete dev ${name}`, naming)],
};
