/** Macvlan links: each with a MAC of its own on the parent's wire. */

import { ConflictError } from "../../core/errors.ts";
import type { MacvlanLink } from "../../core/plan.ts";
import { changeLink } from "../../linux/netlink/rtnetlink/link/link.ts";
import {
  MACVLAN_MODE_BRIDGE,
  MACVLAN_MODE_PASSTHRU,
  MACVLAN_MODE_PRIVATE,
  MACVLAN_MODE_VEPA,
} from "../../linux/netlink/rtnetlink/link/macvlan.ts";
import { childType } from "./child.ts";

const MODES: Readonly<Record<MacvlanLink["mode"], number>> = {
  private: MACVLAN_MODE_PRIVATE,
  vepa: MACVLAN_MODE_VEPA,
  bridge: MACVLAN_MODE_BRIDGE,
  passthru: MACVLAN_MODE_PASSTHRU,
};

export const macvlan = childType<MacvlanLink>({
  feature: "CONFIG_MACVLAN",
  info: ({ mode, broadcastQueueLength }) => ({ kind: "macvlan", macvlan: { mode: MODES[mode], broadcastQueueLength } }),
  words: ({ mode, broadcastQueueLength }) =>
    `mode ${mode}${broadcastQueueLength === undefined ? "" : ` bcqueuelen ${broadcastQueueLength}`}`,
  differences({ name, mode, broadcastQueueLength: wanted }, { info }) {
    const { mode: found, broadcastQueueLength } = info?.macvlan ?? {};
    return [
      ...(found === MODES[mode] ? [] : [`"${name}" is in mode ${modeName(found)}, not ${mode}`]),
      ...(wanted === undefined || broadcastQueueLength === wanted
        ? []
        : [`"${name}" has bcqueuelen ${broadcastQueueLength}, not ${wanted}`]),
    ];
  },
  refusal({ name, parent, mode }, cause) {
    if (cause.code !== "EBUSY" && (cause.code !== "EINVAL" || mode !== "passthru")) return undefined;
    return new ConflictError(`Cannot create macvlan "${name}": its master "${parent?.name}" is in use otherwise`, {
      cause,
      details:
        "A port of a bridge or bond takes no macvlan, nor does what has an ipvlan; mode passthru takes it alone.",
    });
  },
  // A link in mode passthru begins with its parent's MAC, whatever it is given, and passes a change on to the parent.
  finish({ name, mac, mode }, kernel) {
    if (mode === "passthru" && mac !== undefined) kernel.execute("container", changeLink({ name, address: mac }));
  },
  finishWords: ({ mac, mode }) => (mode === "passthru" && mac !== undefined ? `address ${mac}` : undefined),
});

function modeName(mode: number | undefined): string {
  return Object.entries(MODES).find(([, number]) => number === mode)?.[0] ?? String(mode);
}
