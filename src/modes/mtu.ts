/** How long a pod's packet may be: what a node publishes, and what all of them take. */

import type { Family } from "../core/ip.ts";
import type { LocalNode } from "./mode.ts";
import { underlayFamily, uplinkOf } from "./reach.ts";

/**
 * The longest packet of a pod, in bytes, that this node can send to every other: the shortest of its ways, less what the
 * mode adds. `ways` are the MTUs of the routes to the peers' addresses, as the kernel has them; while there are none the
 * node's own link is taken. Undefined while neither is known.
 */
export function nodeMtu(
  local: Pick<LocalNode, "addresses" | "uplinks">,
  overhead: number,
  ways: readonly number[] = [],
): number | undefined {
  const uplink = uplinkOf(local, underlayFamily(local))?.mtu;
  const known = uplink === undefined ? ways : [uplink, ...ways];
  return known.length === 0 ? undefined : Math.min(...known) - overhead;
}

/** The longest packet that every node of the cluster takes; undefined while none has published one. */
export function clusterMtu(nodes: readonly { readonly mtu?: number; readonly gone?: boolean }[]): number | undefined {
  const known = nodes.flatMap(({ mtu, gone }) => (mtu === undefined || gone ? [] : [mtu]));
  return known.length === 0 ? undefined : Math.min(...known);
}

/** What every link must carry, in bytes. @see https://www.rfc-editor.org/rfc/rfc791, https://www.rfc-editor.org/rfc/rfc8200#section-5 */
const LEAST: Readonly<Record<Family, number>> = { 4: 68, 6: 1280 };

/** Why packets of this length do not serve pods of these families, or undefined. */
export function mtuProblem(mtu: number, families: readonly Family[]): string | undefined {
  const family = families.find((one) => mtu < LEAST[one]);
  if (family === undefined) return undefined;
  return `Pods' packets can have ${mtu} bytes only, and IPv${family} needs ${LEAST[family]}: raise the MTU of the nodes' links`;
}
