/**
 * What the agent knows of the cluster: its documents, followed as they change, and which nodes a change is about.
 *
 * A store that is away leaves the picture as it was: what the node has learnt goes on to hold.
 */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import { followed } from "../cluster/follow.ts";
import type { BlockRecord, NodeRecord, PoolRecord, ReservationRecord } from "../core/cluster.ts";
import { hash64 } from "../core/names.ts";
import { isRouted, Prefixes } from "../ipam/cluster/prefixes.ts";
import type { Peer } from "../modes/mode.ts";
import type { Collection, Documents } from "../store/collection.ts";

/** What has changed since the last time. */
export interface Changes {
  /** Names of nodes that are others than before, or whose pods' networks are. */
  readonly nodes: ReadonlySet<string>;
  readonly pools: boolean;
}

/** Nodes, pools, blocks, reservations. */
const KINDS = 4;

export class Picture {
  readonly #node: string;
  /** The blocks that the node had a part in when they were last seen. */
  readonly #own = new Set<string>();
  #stirs = 0;
  readonly #prefixes = new Prefixes();
  readonly #listed = new Set<string>();
  #nodes: Documents<NodeRecord> = new Map();
  #pools: Documents<PoolRecord> = new Map();
  #blocks: Documents<BlockRecord> = new Map();
  #changedNodes = new Set<string>();
  #changedPools = false;

  /** Seen from a node. */
  constructor(node: string) {
    this.#node = node;
  }

  /** How many changes there were of pools, reservations and blocks, whosever they are. */
  get stirs(): number {
    return this.#stirs;
  }

  /** The first of the nodes that are there, in an order that is the same for all. */
  first(most: number): string[] {
    const here = [...this.#nodes.values()].filter(({ value }) => !value.gone);
    return here
      .map(({ name }) => ({ name, order: orderOf(name) }))
      .sort((a, b) => a.order - b.order)
      .slice(0, most)
      .map(({ name }) => name);
  }

  /** All nodes, those that are gone too. */
  get nodes(): Documents<NodeRecord> {
    return this.#nodes;
  }

  get pools(): Documents<PoolRecord> {
    return this.#pools;
  }

  /** Whether every kind of document has been listed once. */
  get isWhole(): boolean {
    return this.#listed.size === KINDS;
  }

  /** A node as others have to reach it; undefined for one that is gone or not known. */
  peer(name: string): Peer | undefined {
    const node = this.#nodes.get(name)?.value;
    if (node === undefined || node.gone) return undefined;
    return { name, addresses: node.addresses, tunnelMac: node.tunnelMac, prefixes: this.#prefixes.of(name) };
  }

  /** The networks of a node's pods. */
  prefixesOf(node: string): readonly string[] {
    return this.#prefixes.of(node);
  }

  /** Takes what has changed since it was last taken. */
  takeChanges(): Changes {
    const changes = { nodes: this.#changedNodes, pools: this.#changedPools };
    this.#changedNodes = new Set();
    this.#changedPools = false;
    return changes;
  }

  /** Told of each change that the node's own addresses depend on: of pools, reservations, and blocks that it has a part in. */
  onStir: () => void = () => {};

  /** Told of the reservations whenever one of them is another than before. */
  onReservations: (documents: Documents<ReservationRecord>) => void = () => {};

  /** Follows the store until the signal comes; `changed` is told after each change, `failed` what went wrong. */
  follow(store: ClusterStore, signal: AbortSignal, changed: () => void, failed: (error: unknown) => void): void {
    const each = <T>(
      kind: string,
      collection: Collection<T>,
      take: (all: Documents<T>, names: readonly string[]) => void,
    ) =>
      void followed(collection, signal, failed, (documents, names) => {
        take(documents, names);
        this.#listed.add(kind);
        changed();
      });
    each("nodes", store.nodes, (documents, names) => {
      this.#nodes = documents;
      for (const name of names) this.#changedNodes.add(name);
    });
    each("pools", store.pools, (documents) => {
      this.#pools = documents;
      this.#changedPools = true;
      this.#stir(true);
      // A pool says whether its blocks are led to at all.
      this.#takeBlocks(this.#blocks.keys());
    });
    each("reservations", store.reservations, (documents) => {
      this.onReservations(documents);
      this.#stir(true);
    });
    each("blocks", store.blocks, (documents, names) => {
      this.#blocks = documents;
      this.#takeBlocks(names);
      this.#stir(names.map((name) => this.#isOwn(name)).includes(true));
    });
  }

  #takeBlocks(names: Iterable<string>): void {
    const pools = new Map([...this.#pools].map(([name, { value }]) => [name, value]));
    for (const name of names) {
      const block = this.#blocks.get(name)?.value;
      this.#note(this.#prefixes.put(name, block !== undefined && isRouted(block, pools) ? block : undefined));
    }
  }

  #stir(own: boolean): void {
    this.#stirs++;
    if (own) this.onStir();
  }

  /** Whether the node has a part in a block, or had when it was last seen. */
  #isOwn(name: string): boolean {
    const block = this.#blocks.get(name)?.value;
    const is = block !== undefined && (block.node === this.#node || Object.values(block.lent).includes(this.#node));
    const was = this.#own.has(name);
    if (is) this.#own.add(name);
    else this.#own.delete(name);
    return is || was;
  }

  #note(nodes: Iterable<string>): void {
    for (const node of nodes) this.#changedNodes.add(node);
  }
}

/** Where a node stands among all; it has nothing to do with where it is. */
function orderOf(node: string): number {
  return hash64(node)[0] >>> 0;
}
