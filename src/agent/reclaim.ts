/**
 * Giving up nodes that are gone, and freeing what they held. Every agent does it; whoever is first does the work, and
 * all others find it done.
 */

import type { BlockRecord, NodeRecord } from "../core/cluster.ts";
import type { Document, Documents } from "../store/collection.ts";
import { ConflictingWriteError, type Revision } from "../store/store.ts";
import type { ClusterStore } from "./cluster-store.ts";

export interface ReclaimOptions {
  /** Milliseconds of a clock that nobody sets and that goes on while the machine sleeps. */
  readonly clock: () => number;
  /** How long a heartbeat must have stood still: the members' grace period at least. */
  readonly patience: number;
}

export class Reclaim {
  readonly #store: ClusterStore;
  readonly #options: ReclaimOptions;
  /** Since when each node's heartbeat has been as it is. */
  readonly #seen = new Map<string, { readonly revision: Revision; readonly since: number }>();

  constructor(store: ClusterStore, options: ReclaimOptions) {
    this.#store = store;
    this.#options = options;
  }

  /**
   * One look at all nodes: gives up those that have been silent for long, and frees what is held by such as are gone.
   * Returns the names of those given up. Throws StoreUnavailableError.
   */
  async look(): Promise<string[]> {
    const { nodes, blocks } = this.#store;
    const known = await nodes.list();
    const givenUp: string[] = [];
    for (const node of known.values()) {
      if (!node.value.gone && (await this.#giveUp(node))) givenUp.push(node.name);
    }
    for (const name of this.#seen.keys()) if (!known.has(name)) this.#seen.delete(name);
    // The blocks first: who claims one after this look has been a node before it.
    const held = await blocks.list();
    const now = await nodes.list();
    for (const block of held.values()) await ifUnchanged(this.#free(block, now));
    return givenUp;
  }

  /** Gives one node up when its heartbeat is gone, or has stood still for long enough. */
  async #giveUp(node: Document<NodeRecord>): Promise<boolean> {
    const { nodes, heartbeats } = this.#store;
    const sign = await heartbeats.get(node.name);
    if (sign !== undefined && !this.#isSilent(node.name, sign.revision)) return false;
    return ifUnchanged(async () => {
      if (sign !== undefined) await heartbeats.delete(sign);
      await nodes.update(node, { ...node.value, epoch: node.value.epoch + 1, gone: true });
    });
  }

  #isSilent(node: string, revision: Revision): boolean {
    const now = this.#options.clock();
    const seen = this.#seen.get(node);
    if (seen?.revision === revision) return now - seen.since >= this.#options.patience;
    this.#seen.set(node, { revision, since: now });
    return false;
  }

  /** What of a block is held by a node that is gone: all of it, or what it has borrowed. */
  #free(block: Document<BlockRecord>, nodes: Documents<NodeRecord>): () => Promise<void> {
    const { blocks } = this.#store;
    const isGone = (name: string) => nodes.get(name)?.value.gone ?? true;
    const { node, lent, offered } = block.value;
    const stillLent = Object.entries(lent).filter(([, borrower]) => !isGone(borrower));
    const isLost = isGone(node);
    return async () => {
      // What others have borrowed of it they keep; the block goes with the last of these.
      if (isLost && stillLent.length === 0) return blocks.delete(block);
      const returned = Object.keys(lent).filter((address) => isGone(lent[address] ?? ""));
      if (returned.length === 0 && (!isLost || offered.length === 0)) return;
      await blocks.update(block, {
        ...block.value,
        lent: Object.fromEntries(stillLent),
        offered: isLost ? [] : [...offered, ...returned],
      });
    };
  }
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
