/** What the parts of a simulated cluster have in common. */

import type { ClusterStore } from "../../src/cluster/cluster-store.ts";
import {
  blockDocuments,
  DOCUMENT_VERSION,
  type DocumentKind,
  heartbeatDocuments,
  nodeDocuments,
  type PoolRecord,
  poolDocuments,
  reservationDocuments,
} from "../../src/core/cluster.ts";
import { Collection } from "../../src/store/collection.ts";
import type { Random } from "../support/random.ts";
import { frozen, type SimulatedProcess, type SimulatedStore } from "../support/simulated-store.ts";
import type { Truth } from "./truth.ts";

/** Milliseconds. */
export const GRACE = 1000;
export const COOL_DOWN = 300;
export const IDLE = 500;
/** How many free addresses of a pool a node keeps in hand. */
export const SPARE = 2;
export const KEEP = 3 * GRACE;
/** Where the machines' wall clocks begin. */
export const EPOCH = 1_000_000;

/** By their names. */
export type Pools = Readonly<Record<string, PoolRecord>>;

/** A pool with blocks of so many bits less than an address has. */
const pool = (bits: number, ...cidrs: string[]): PoolRecord => ({
  version: DOCUMENT_VERSION,
  cidrs,
  blockBits: { ipv4: 32 - bits, ipv6: 128 - bits },
  nodeSelector: {},
  excluded: [],
  masquerade: true,
});

/** Four blocks of four for three nodes, of which two addresses are never given. */
export const ONE_POOL: Pools = { default: pool(2, "10.0.0.0/28") };
export const USABLE = 14;

/** The same in both families. Pods ask for one of each, so both are used up at the same time. */
export const DUAL_STACK: Pools = {
  default: { ...pool(2, "10.0.0.0/28", "fd00::/124"), excluded: ["fd00::f/128"] },
};

/** Four blocks each, of two addresses: what a node without a block could borrow there would be none. */
export const TWO_POOLS: Pools = { default: pool(1, "10.0.0.0/29"), lan: pool(1, "10.0.0.8/29") };

/** Half of the one's blocks are the other's, too, as of ranges of whereabouts. */
export const OVERLAPPING: Pools = { default: pool(1, "10.0.0.0/28"), lan: pool(1, "10.0.0.8/29") };

/** How one history differs from another from the beginning. */
export interface Settings {
  /** How many controllers give up nodes that are gone; with none the agents do. */
  readonly controllers: number;
}

export interface World {
  readonly store: SimulatedStore;
  readonly truth: Truth;
  readonly random: Random;
  readonly settings: Settings;
  /** The store as a process sees it. */
  readonly cluster: (process: SimulatedProcess) => ClusterStore;
  /** Hears of an error that nobody should have had. */
  readonly failed: (error: unknown) => void;
  /** Does something that finds faults. */
  readonly guard: (work: () => void) => void;
  /** Another one each time. */
  readonly number: () => number;
}

/** Documents that several processes are told of are parsed once. */
const parsed = new WeakMap<object, unknown>();

export function clusterOf(store: SimulatedStore, process: SimulatedProcess): ClusterStore {
  const client = store.client(process);
  const warn = (sentence: string) => {
    throw new Error(sentence);
  };
  const collection = <T>({ kind, parse }: DocumentKind<T>) =>
    new Collection<T>(client, { kind, parse: (value) => once(value as object, parse) }, warn);
  return {
    nodes: collection(nodeDocuments),
    heartbeats: collection(heartbeatDocuments),
    pools: collection(poolDocuments),
    blocks: collection(blockDocuments),
    reservations: collection(reservationDocuments),
  };
}

function once<T>(value: object, parse: (value: unknown) => T): T {
  if (!parsed.has(value)) parsed.set(value, frozen(parse(value)));
  return parsed.get(value) as T;
}
