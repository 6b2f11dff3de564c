/** Links that are made, each type in a file of its own. */

import type { LinkResource } from "../../core/plan.ts";
import { commandIn, type ResourceKind } from "../resource.ts";
import { bridge } from "./bridge.ts";
import { ipvlan } from "./ipvlan.ts";
import { macvlan } from "./macvlan.ts";
import { plain } from "./plain.ts";
import type { LinkType } from "./type.ts";
import { veth } from "./veth.ts";
import { vlan } from "./vlan.ts";
import { vrf } from "./vrf.ts";

const types: { readonly [T in LinkResource["type"]]: LinkType<Extract<LinkResource, { type: T }>> } = {
  bridge,
  veth,
  macvlan,
  ipvlan,
  vlan,
  dummy: plain,
  ifb: plain,
  vrf,
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
