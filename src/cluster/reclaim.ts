/**
 * Giving up nodes that are gone, and freeing what they held. Where there is no controller every agent does it; whoever is
 * first does the work, and all others find it done.
 */

import { type BlockRecord, type HeartbeatRecord, NOBODY, type NodeRecord } from "../core/cluster.ts";
import type { Document, Documents } from "../store/collection.ts";
import { ConflictingWriteError, type Revision } from "../store/store.ts";
import type { ClusterStore } from "./cluster-store.ts";

export interface ReclaimOptions {
  /** Milliseconds of a clock that nobody sets and that goes on while the machine sleeps. */
  readonly clock: () => number;
  /**
   * How long the heartbeat of a node that does not say it itself must have stood still: the members' grace period at
   * least.
   */
  readonly patience: number;
}

export class Reclaim {
  readonly #store: ClusterStore;
  readonly #options: ReclaimOptions;
  /** Since when each node's heartbeat has been as it is. */
  readonly #seen = new Map<string, { readonly revision: Revision; readonly since: number }>();

  #lastLook = Number.NEGATIVE_INFINITY;
  /** Between the last two looks. */
  #gap = Number.POSITIVE_INFINITY;

  constructor(store: ClusterStore, options: ReclaimOptions) {
    this.#store = store;
    this.#options = options;
  }

  /**
   * One look at all nodes: gives up those that have been silent for long, and frees what is held by such as are gone.
   * Returns the names of those given up. Throws StoreUnavailableError.
   */
  async look(): Promise<string[]> {
    const { nodes, heartbeats, blocks } = this.#store;
    const known = await nodes.list();
    const signs = await heartbeats.list();
    this.#beginLook();
    const givenUp: string[] = [];
    for (const node of known.values()) {
      if (!node.value.gone && (await this.#giveUp(node, signs.get(node.name)))) givenUp.push(node.name);
    }
    for (const name of this.#seen.keys()) if (!known.has(name)) this.#seen.delete(name);
    // The blocks first: who claims one after this look has been a node before it.
    const held = await blocks.list();
    const now = await nodes.list();
    for (const block of held.values()) await ifUnchanged(this.#free(block, now));
    return givenUp;
  }

  /**
   * One look at some nodes alone: for who leaves it to these to look at all. Returns the names of those given up. Throws
   * StoreUnavailableError.
   */
  async lookAt(names: readonly string[]): Promise<string[]> {
    const { nodes, heartbeats } = this.#store;
    this.#beginLook();
    const givenUp: string[] = [];
    for (const name of names) {
      const node = await nodes.get(name);
      if (node === undefined || node.value.gone) continue;
      if (await this.#giveUp(node, await heartbeats.get(name))) givenUp.push(name);
    }
    return givenUp;
  }

  #beginLook(): void {
    const now = this.#options.clock();
    this.#gap = now - this.#lastLook;
    this.#lastLook = now;
  }

  /** Gives one node up when its heartbeat is gone, or has stood still for long enough. */
  async #giveUp(node: Document<NodeRecord>, sign: Document<HeartbeatRecord> | undefined): Promise<boolean> {
    if (sign !== undefined && !this.#isSilent(node, sign.revision)) return false;
    return giveUpNode(this.#store, node, sign);
  }

  /** While the store was away nobody could be heard: then a node has its time anew. */
  #isSilent({ name, value }: Document<NodeRecord>, revision: Revision): boolean {
    const now = this.#options.clock();
    const patience = value.patience === undefined ? this.#options.patience : value.patience * 1000;
    const seen = this.#seen.get(name);
    if (seen?.revision === revision && this.#gap <= patience / 2) return now - seen.since >= patience;
    this.#seen.set(name, { revision, since: now });
    return false;
  }

  /** What of a block is held by a node that is gone: all of it, or what it has borrowed. */
  #free(block: Document<BlockRecord>, nodes: Documents<NodeRecord>): () => Promise<void> {
    const { blocks } = this.#store;
    const isGone = (name: string) => {
      const node = nodes.get(name);
      return node === undefined || node.value.gone === true;
    };
    const { node, lent, offered, reserved } = block.value;
    const stillLent = Object.entries(lent).filter(([, borrower]) => !isGone(borrower));
    const isLost = isGone(node);
    return async () => {
      // What others hold of it they keep; the rest is for whoever takes the block, which else goes with the last of them.
      if (isLost && stillLent.length === 0) return blocks.delete(block);
      const taken = Object.keys(lent).filter((address) => isGone(lent[address] ?? ""));
      if (taken.length === 0 && (!isLost || node === NOBODY)) return;
      // What is reserved waits for its owner.
      const returned = taken.filter((address) => reserved?.[address] === undefined);
      await blocks.update(block, {
        ...block.value,
        node: isLost ? NOBODY : node,
        lent: Object.fromEntries(stillLent),
        offered: isLost ? [] : [...offered, ...returned],
      });
    };
  }
}

/**
 * Gives a node up that was as given when somebody looked, and its heartbeat, if any, thereafter. False when one of them
 * has changed: then it is alive, or somebody else was first. Throws StoreUnavailableError.
 */
export function giveUpNode(
  { nodes, heartbeats }: ClusterStore,
  node: Document<NodeRecord>,
  sign: Document<HeartbeatRecord> | undefined,
): Promise<boolean> {
  return ifUnchanged(async () => {
    if (sign !== undefined) await heartbeats.delete(sign);
    await nodes.update(node, { ...node.value, epoch: node.value.epoch + 1, gone: true });
  });
}

/** Runs changes; false when somebody else was first with one of them. */
export async function ifUnchanged(change: () => Promise<unknown>): Promise<boolean> {
  try {
    await change();
    return true;
  } catch (error) {
    if (error instanceof ConflictingWriteError) return false;
    throw error;
  }
}
