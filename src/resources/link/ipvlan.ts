/** Ipvlan links: addresses of their own behind the parent's MAC. */

import { ConflictError } from "../../core/errors.ts";
import type { IpvlanLink } from "../../core/plan.ts";
import { IPVLAN_MODE_L2, IPVLAN_MODE_L3, IPVLAN_MODE_L3S } from "../../linux/netlink/rtnetlink/link/ipvlan.ts";
import { childType } from "./child.ts";

const MODES: Readonly<Record<IpvlanLink["mode"], number>> = {
  l2: IPVLAN_MODE_L2,
  l3: IPVLAN_MODE_L3,
  l3s: IPVLAN_MODE_L3S,
};

export const ipvlan = childType<IpvlanLink>({
  feature: "CONFIG_IPVLAN",
  info: ({ mode }) => ({ kind: "ipvlan", ipvlan: { mode: MODES[mode] } }),
  words: ({ mode }) => `mode ${mode}`,
  differences({ name, mode }, { info }) {
    const found = info?.ipvlan?.mode;
    if (found === MODES[mode]) return [];
    const called = Object.entries(MODES).find(([, number]) => number === found)?.[0];
    return [`"${name}" is in mode ${called ?? found}, not ${mode}`];
  },
  refusal({ name, parent }, cause) {
    if (cause.code !== "EBUSY") return undefined;
    return new ConflictError(`Cannot create ipvlan "${name}": its master "${parent?.name}" is in use otherwise`, {
      cause,
      details: "A port of a bridge or bond takes no ipvlan, nor does what has a macvlan.",
    });
  },
});
