/**
 * Pools whose addresses are somebody else's too. Most of it is refused at admission; what was there before, comes later
 * or came at the same time is found here.
 */

import { hasAddress, holds, overlap } from "../core/networks.ts";
import type { Document } from "../store/collection.ts";
import type { Picture, Pool } from "./picture.ts";

export interface Conflict {
  readonly reason: "OverlapsPool" | "HoldsServices" | "HoldsNode";
  readonly message: string;
}

/** How many nodes a message names. */
const MOST = 3;

/** What a pool has in common with other pools, with Services' networks and with nodes, but for what it excludes. */
export function conflictsOf(
  { name, value: { record } }: Document<Pool>,
  { pools, serviceNetworks, machines }: Pick<Picture, "pools" | "serviceNetworks" | "machines">,
): Conflict[] {
  const { cidrs, excluded } = record;
  const conflicts: Conflict[] = [];
  for (const other of pools.values()) {
    if (other.name === name) continue;
    const shared = other.value.record.cidrs.find((theirs) => cidrs.some((cidr) => overlap(cidr, theirs)));
    if (shared === undefined) continue;
    conflicts.push({ reason: "OverlapsPool", message: `It overlaps ${shared} of pool "${other.name}"` });
  }
  for (const { value } of serviceNetworks.values()) {
    const isOpen = (services: string) => !excluded.some((range) => holds(range, services));
    const shared = value.cidrs.find((services) => isOpen(services) && cidrs.some((cidr) => overlap(cidr, services)));
    if (shared === undefined) continue;
    conflicts.push({ reason: "HoldsServices", message: `It overlaps ${shared}, the addresses of Services` });
  }
  const inside = [...machines.values()].flatMap(({ name: machine, value: { addresses } }) =>
    addresses
      .filter((address) => hasAddress(cidrs, address) && !hasAddress(excluded, address))
      .map((address) => `${address} of node "${machine}"`),
  );
  if (inside.length > 0) {
    const more = inside.length > MOST ? ` and ${inside.length - MOST} more` : "";
    const message = `It holds ${inside.slice(0, MOST).join(", ")}${more}, which it does not exclude`;
    conflicts.push({ reason: "HoldsNode", message });
  }
  return conflicts;
}
