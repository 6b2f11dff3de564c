/** The documents of a cluster, and the pods of a node, as lines of tables. */

import type { AgentPod } from "../core/agent-status.ts";
import type { BlockRecord, HeartbeatRecord, NodeRecord, PoolRecord, ReservationRecord } from "../core/cluster.ts";
import { cidrOf, isOver } from "../core/cluster.ts";
import type { Family } from "../core/ip.ts";
import { blockCount } from "../ipam/cluster/blocks.ts";
import type { Documents } from "../store/collection.ts";
import { listCell } from "./output.ts";

/** How documents of a kind are shown. */
export interface RowTable<T> {
  readonly heading: readonly string[];
  /** The columns after these, where there is room for them. */
  readonly wide: readonly string[];
  readonly cells: (name: string, value: T) => readonly string[];
  readonly wideCells: (name: string, value: T) => readonly string[];
}

/** Of a node without a heartbeat that others would have written it is said that it is silent. */
export function nodeTable(heartbeats: Documents<HeartbeatRecord>): RowTable<NodeRecord> {
  return {
    heading: ["NAME", "ADDRESSES", "MODES", "MTU", "EPOCH", "STATE", "HEARTBEAT"],
    wide: ["TUNNEL-MAC", "VERSION", "LABELS"],
    cells: (name, { addresses, modes, mtu, epoch, gone }) => {
      const sign = heartbeats.get(name);
      const state = gone ? "gone" : sign === undefined ? "silent" : "member";
      const beat = sign === undefined ? "-" : `#${sign.value.beats}`;
      return [name, listCell(addresses), listCell(modes), cellOf(mtu), String(epoch), state, beat];
    },
    wideCells: (_, { tunnelMac, agentVersion, labels }) => [cellOf(tunnelMac), cellOf(agentVersion), pairsCell(labels)],
  };
}

/** With how many of its blocks are claimed. */
export function poolTable(blocks: readonly BlockRecord[]): RowTable<PoolRecord> {
  return {
    heading: ["NAME", "CIDRS", "BLOCKS", "CLAIMED", "MASQUERADE"],
    wide: ["NODE-SELECTOR", "EXCLUDED", "GATEWAYS", "ROUTED"],
    cells: (name, pool) => {
      const families = pool.cidrs.map((cidr): [Family, string] => [cidrOf(cidr).ip.family, cidr]);
      const sizes = families.map(([family]) => `/${family === 4 ? pool.blockBits.ipv4 : pool.blockBits.ipv6}`);
      const claimed = families.map(([family]) => {
        const own = blocks.filter((block) => block.pool === name && cidrOf(block.cidr).ip.family === family);
        return `${own.length}/${countCell(blockCount(pool, family))}`;
      });
      return [name, listCell(pool.cidrs), listCell(sizes), listCell(claimed), yesOrNo(pool.masquerade)];
    },
    wideCells: (_, { nodeSelector, excluded, gateways = false, routed = true }) => [
      pairsCell(nodeSelector),
      listCell(excluded),
      yesOrNo(gateways),
      yesOrNo(routed),
    ],
  };
}

export const blockTable: RowTable<BlockRecord> = {
  heading: ["CIDR", "POOL", "NODE", "OFFERED", "LENT", "RESERVED"],
  wide: ["NAME", "EPOCH", "LENT-TO", "RESERVED-FOR"],
  cells: (_, { cidr, pool, node, offered, lent, reserved = {} }) => [
    cidr,
    pool,
    node,
    String(offered.length),
    String(Object.keys(lent).length),
    String(Object.keys(reserved).length),
  ],
  wideCells: (name, { epoch, lent, reserved = {} }) => [name, String(epoch), pairsCell(lent), pairsCell(reserved)],
};

/** `now` is in milliseconds since 1970. */
export function reservationTable(now: number): RowTable<ReservationRecord> {
  return {
    heading: ["OWNER", "ADDRESSES", "NODE", "EXPIRES"],
    wide: ["NAME"],
    cells: (_, { owner, addresses, node, expires }) => [
      owner,
      listCell(addresses),
      cellOf(node),
      expires === undefined ? "never" : isOver({ expires }, now) ? `${expires} (over)` : expires,
    ],
    wideCells: (name) => [name],
  };
}

/** A pod, with its node where those of several are shown. */
export type ShownPod = AgentPod & { readonly node?: string };

export function podTable(hasNodes: boolean): RowTable<ShownPod> {
  return {
    heading: ["POD", ...(hasNodes ? ["NODE"] : []), "ADDRESSES", "INTERFACE", "NETWORK", "CONTAINER"],
    wide: ["NETNS"],
    cells: (_, pod) => [
      podName(pod) ?? "-",
      ...(hasNodes ? [cellOf(pod.node)] : []),
      listCell(pod.addresses),
      cellOf(pod.ifname || undefined),
      cellOf(pod.network || undefined),
      shortId(pod.containerId),
    ],
    wideCells: (_, { netns }) => [cellOf(netns || undefined)],
  };
}

/** Namespace and name; undefined for a container that is no pod's. */
export function podName({ podNamespace, podName: name }: AgentPod): string | undefined {
  return name === undefined ? undefined : `${podNamespace ?? "default"}/${name}`;
}

/** As container runtimes abbreviate the IDs that they choose; another one is told whole. */
export function shortId(containerId: string): string {
  return /^[0-9a-f]{64}$/.test(containerId) ? containerId.slice(0, 13) : containerId;
}

/** A power of two is written as such where nobody would read its digits. */
function countCell(count: bigint): string {
  return count < 1_000_000n ? String(count) : `2^${count.toString(2).length - 1}`;
}

function cellOf(value: string | number | undefined): string {
  return value === undefined ? "-" : String(value);
}

function yesOrNo(is: boolean): string {
  return is ? "yes" : "no";
}

function pairsCell(pairs: Readonly<Record<string, string>>): string {
  return listCell(Object.entries(pairs).map(([key, value]) => `${key}=${value}`));
}
