/**
 * What is told of a pool where the operator looks for it: how many addresses there are and how many are used, and whether
 * something is wrong with it.
 */

import type { BlockRecord } from "../core/cluster.ts";
import { cidrOf } from "../core/cluster.ts";
import type { Family } from "../core/ip.ts";
import { familyOf } from "../core/ip.ts";
import { hasAddress } from "../core/networks.ts";
import { blockCount } from "../ipam/cluster/blocks.ts";
import { poolCapacity } from "../ipam/cluster/capacity.ts";
import type { Document } from "../store/collection.ts";
import type { EventText } from "../store/kubernetes/events.ts";
import { GROUP, secondsTime, VERSION } from "../store/kubernetes/resources.ts";
import type { Change } from "./changes.ts";
import { conflictsOf } from "./conflicts.ts";
import type { Picture, Pool } from "./picture.ts";

export interface FamilyStatus {
  /** In digits: of IPv6 more than a number can tell. */
  readonly capacity: string;
  readonly used: number;
  readonly free: string;
  /** How many blocks are claimed. */
  readonly blocks: number;
}

/** @see metav1.Condition */
export interface Condition {
  readonly type: ConditionType;
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
}

export interface PoolStatus {
  readonly observedGeneration?: number;
  readonly ipv4?: FamilyStatus;
  readonly ipv6?: FamilyStatus;
  readonly conditions?: readonly Condition[];
}

const CONDITIONS = ["Exhausted", "NearlyExhausted", "Conflicting"] as const;
type ConditionType = (typeof CONDITIONS)[number];

/** Why a condition holds, or that it does not. */
interface Finding {
  readonly holds: boolean;
  readonly reason: string;
  readonly message: string;
}

export interface PoolOptions {
  /** Milliseconds of the epoch. */
  readonly now: number;
  /** Percent of the addresses. */
  readonly nearlyExhausted: number;
}

/** How many addresses of each pool are used, by its name and family. */
export type Usage = (pool: string, family: Family) => number;

/** The status of each pool that is another than what is told, and an event for each condition that begins or ends. */
export function planPools(picture: Picture, options: PoolOptions): Change[] {
  const used = usage(picture);
  const blocks = blocksOf(picture.blocks.values());
  return [...picture.pools.values()].flatMap((pool): Change[] => {
    const figures = figuresOf(pool, used, blocks);
    const findings = findingsOf(pool, picture, figures, options);
    const status: PoolStatus = {
      observedGeneration: pool.value.generation,
      ...figures,
      conditions: CONDITIONS.map((type) => conditionOf(type, findings[type], pool.value, options)),
    };
    if (Bun.deepEquals(status, pool.value.status)) return [];
    const about = { apiVersion: `${GROUP}/${VERSION}`, kind: "Pool", name: pool.name, uid: pool.value.uid };
    const events = CONDITIONS.flatMap((type): Change[] => {
      const event = eventOf(type, findings[type], pool.value);
      return event === undefined ? [] : [{ type: "event", about, event }];
    });
    return [{ type: "pool-status", pool: pool.name, revision: pool.revision, status }, ...events];
  });
}

/** Counts each address once, whoever says that it is used: a pod, a node of its own end of the tunnels, a reservation. */
export function usage({ pools, pods, nodes, blocks }: Pick<Picture, "pools" | "pods" | "nodes" | "blocks">): Usage {
  const addresses = new Set<string>();
  for (const { value } of pods.values()) for (const address of value.addresses) addresses.add(address);
  for (const { value } of nodes.values()) {
    if (!value.gone) for (const address of value.podAddresses ?? []) addresses.add(address);
  }
  for (const { value } of blocks.values())
    for (const address of Object.keys(value.reserved ?? {})) addresses.add(address);
  const counts = new Map<string, number>();
  for (const address of addresses) {
    for (const { name, value } of pools.values()) {
      if (!hasAddress(value.record.cidrs, address)) continue;
      const key = `${name} ${familyOf(address)}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
      break;
    }
  }
  return (pool, family) => counts.get(`${pool} ${family}`) ?? 0;
}

/** How many blocks are claimed, by `POOL FAMILY`. */
function blocksOf(blocks: Iterable<Document<BlockRecord>>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { value } of blocks) {
    const key = `${value.pool} ${cidrOf(value.cidr).ip.family}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

type Figures = Pick<PoolStatus, "ipv4" | "ipv6">;

function figuresOf(
  { name, value: { record } }: Document<Pool>,
  used: Usage,
  blocks: ReadonlyMap<string, number>,
): Figures {
  const of = (family: Family): FamilyStatus => {
    const capacity = poolCapacity(record, family);
    const count = used(name, family);
    const free = capacity - BigInt(count);
    return {
      capacity: String(capacity),
      used: count,
      free: String(free < 0n ? 0n : free),
      blocks: blocks.get(`${name} ${family}`) ?? 0,
    };
  };
  const families = record.cidrs.map((cidr) => cidrOf(cidr).ip.family);
  return { ...(families.includes(4) && { ipv4: of(4) }), ...(families.includes(6) && { ipv6: of(6) }) };
}

const NO_MORE = "Add a pool, or make this one larger: tendril pool resize.";

function findingsOf(
  pool: Document<Pool>,
  picture: Picture,
  figures: Figures,
  { nearlyExhausted }: PoolOptions,
): Readonly<Record<ConditionType, Finding>> {
  const exhausted: string[] = [];
  const few: string[] = [];
  const noBlock: string[] = [];
  for (const family of [4, 6] as const) {
    const figure = figures[`ipv${family}`];
    if (figure === undefined) continue;
    const [capacity, used] = [BigInt(figure.capacity), BigInt(figure.used)];
    if (used >= capacity) exhausted.push(`IPv${family}`);
    if (used * 100n >= capacity * BigInt(nearlyExhausted)) few.push(`IPv${family}`);
    if (BigInt(figure.blocks) >= blockCount(pool.value.record, family)) noBlock.push(`IPv${family}`);
  }
  const conflicts = conflictsOf(pool, picture);
  const isFew = few.length > 0;
  return {
    Exhausted:
      exhausted.length > 0
        ? { holds: true, reason: "NoAddressLeft", message: `No ${exhausted.join(" and ")} address is left. ${NO_MORE}` }
        : { holds: false, reason: "AddressesLeft", message: "There are addresses left" },
    NearlyExhausted:
      isFew || noBlock.length > 0
        ? {
            holds: true,
            reason: isFew ? "FewAddressesLeft" : "NoBlockLeft",
            message: isFew
              ? `${nearlyExhausted} percent or more of the ${few.join(" and ")} addresses are used. ${NO_MORE}`
              : `All ${noBlock.join(" and ")} blocks are claimed: a new node borrows addresses of others. ${NO_MORE}`,
          }
        : { holds: false, reason: "AddressesLeft", message: "There are addresses and blocks left" },
    Conflicting:
      conflicts.length > 0
        ? {
            holds: true,
            reason: conflicts[0]?.reason ?? "",
            message: conflicts.map(({ message }) => message).join(". "),
          }
        : { holds: false, reason: "NoConflict", message: "Its addresses are nobody else's" },
  };
}

function conditionOf(
  type: ConditionType,
  { holds, reason, message }: Finding,
  { status, generation }: Pool,
  { now }: PoolOptions,
): Condition {
  const is = holds ? "True" : "False";
  const before = status.conditions?.find((condition) => condition.type === type);
  const lastTransitionTime = before?.status === is ? before.lastTransitionTime : secondsTime(now);
  return { type, status: is, reason, message, lastTransitionTime, observedGeneration: generation };
}

/** Of a condition that has begun, or is over. */
function eventOf(type: ConditionType, { holds, reason, message }: Finding, { status }: Pool): EventText | undefined {
  const was = status.conditions?.find((condition) => condition.type === type)?.status === "True";
  if (was === holds) return undefined;
  return holds
    ? { type: "Warning", reason: type, message }
    : { type: "Normal", reason: `Not${type}`, message: `${message} (${reason})` };
}
