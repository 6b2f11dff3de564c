/**
 * A node's place in the cluster, and how a node that is gone is told from one that is only slow.
 *
 * Each node writes a heartbeat. Somebody who has seen it unchanged for the grace period deletes it, at the revision that
 * they saw; then the node is given up, and its blocks are freed. A node gives addresses only within the grace period
 * after it began to write its last heartbeat. So whatever happens to a node, a pause of its process included, it has
 * stopped giving addresses by the time at which another can have them; no two clocks are compared.
 */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import { DOCUMENT_VERSION, type HeartbeatRecord, HOSTNAME_LABEL, type NodeRecord } from "../core/cluster.ts";
import { ConflictingWriteError } from "../store/store.ts";

/** What others are to know of a node. */
export type NodeFields = Omit<NodeRecord, "version" | "epoch" | "patience" | "gone">;

export interface MembershipOptions {
  readonly node: string;
  /** Tells this process from an earlier one of the same node. */
  readonly incarnation: string;
  /** Milliseconds of a clock that nobody sets and that goes on while the machine sleeps. */
  readonly clock: () => number;
  /** Milliseconds after its last heartbeat for which a node may give addresses. */
  readonly grace: number;
  /** Milliseconds without a heartbeat after which others may give the node up: longer than its grace. */
  readonly patience: number;
}

export class Membership {
  readonly #store: ClusterStore;
  readonly #options: MembershipOptions;
  #epoch = 0;
  #beats = 0;
  #lastContact = Number.NEGATIVE_INFINITY;
  /** Whether the last join has come to its end, and no beat has found the node given up since. */
  #isJoined = false;
  #labels: NodeRecord["labels"];

  constructor(store: ClusterStore, options: MembershipOptions) {
    this.#store = store;
    this.#options = options;
    this.#labels = { [HOSTNAME_LABEL]: options.node };
  }

  get node(): string {
    return this.#options.node;
  }

  /** What pools select nodes by; the node's name is always one of them. */
  get labels(): NodeRecord["labels"] {
    return this.#labels;
  }

  /** The epoch in which the node claims blocks. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Whether nobody can have given the node up by now. To be asked in the same turn as an address is given. */
  isSafe(): boolean {
    return this.#options.clock() - this.#lastContact < this.#options.grace;
  }

  /**
   * Makes the node known. One that had been given up begins a new epoch, in which it has to claim its blocks again;
   * then this returns true. Throws StoreUnavailableError, and ConflictingWriteError when it is worth another try.
   *
   * First the heartbeat, then the node: who gives a node up looks at the node first, then at the heartbeat, and writes
   * the node as it was then. So of the two one is refused.
   */
  async join(fields: NodeFields): Promise<boolean> {
    const { nodes, heartbeats } = this.#store;
    const { node, clock, patience } = this.#options;
    this.#lastContact = Number.NEGATIVE_INFINITY;
    this.#isJoined = false;
    const labels = { ...fields.labels, [HOSTNAME_LABEL]: node };
    const begun = clock();
    const sign = await heartbeats.get(node);
    if (sign === undefined) await heartbeats.create(node, this.#sign());
    else await heartbeats.update(sign, this.#sign());
    const known = await nodes.get(node);
    const isAnew = known === undefined || known.value.gone === true || sign === undefined;
    // One that is not known any more begins beyond the epochs that this process has had.
    const epoch = (known?.value.epoch ?? this.#epoch) + (isAnew ? 1 : 0);
    const said = {
      labels,
      version: DOCUMENT_VERSION,
      epoch,
      patience: Math.ceil(patience / 1000),
      gone: false,
    } as const;
    const record: NodeRecord = { ...known?.value, ...fields, ...said };
    if (known === undefined) await nodes.create(node, record);
    else await nodes.update(known, record);
    this.#epoch = epoch;
    this.#labels = labels;
    this.#lastContact = begun;
    this.#isJoined = true;
    return isAnew;
  }

  /**
   * Says that the node is alive. False when it has been given up and must join again, or when its last join was cut off:
   * that may have left a heartbeat of a node that all others still know as given up. Throws StoreUnavailableError: then it
   * may have been heard or not.
   */
  async beat(): Promise<boolean> {
    const { clock } = this.#options;
    const begun = clock();
    this.#isJoined = this.#isJoined && (await this.#renew());
    if (this.#isJoined) this.#lastContact = begun;
    return this.#isJoined;
  }

  /** Writes the heartbeat once more; false when it is not this process's any more. */
  async #renew(): Promise<boolean> {
    const { heartbeats } = this.#store;
    const { node, incarnation } = this.#options;
    const found = await heartbeats.get(node);
    if (found?.value.incarnation !== incarnation) return false;
    try {
      await heartbeats.update(found, this.#sign());
      return true;
    } catch (error) {
      if (error instanceof ConflictingWriteError) return false;
      throw error;
    }
  }

  /** One more sign of life, different from all before. */
  #sign(): HeartbeatRecord {
    this.#beats++;
    return { version: DOCUMENT_VERSION, incarnation: this.#options.incarnation, beats: this.#beats };
  }
}
