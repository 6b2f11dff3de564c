/** VLAN links: the parent's frames with one VLAN's tag. */

import { ConflictError } from "../../core/errors.ts";
import type { VlanLink } from "../../core/plan.ts";
import { childType } from "./child.ts";

export const vlan = childType<VlanLink>({
  feature: "CONFIG_VLAN_8021Q",
  info: ({ vlan: id }) => ({ kind: "vlan", vlan: { id } }),
  words: ({ vlan: id }) => `id ${id}`,
  differences({ name, vlan: id }, { info }) {
    const found = info?.vlan?.id;
    return found === id ? [] : [`"${name}" is in VLAN ${found}, not ${id}`];
  },
  refusal({ name, parent, vlan: id }, cause) {
    if (cause.code !== "EEXIST") return undefined;
    return new ConflictError(`Cannot create vlan "${name}": "${parent?.name}" has a link of VLAN ${id} already`, {
      cause,
      details: "A VLAN of a link can be given to one container of the host only.",
    });
  },
});
