/**
 * A node's standing in the cluster: that it is alive and known, that it has addresses to give, and that others which are
 * gone are given up.
 */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import type { Log } from "../cluster/log.ts";
import type { Reclaim } from "../cluster/reclaim.ts";
import { type Repeated, repeat } from "../cluster/repeat.ts";
import { HOSTNAME_LABEL, type NodeRecord } from "../core/cluster.ts";
import type { AddressTable } from "../ipam/cluster/address-table.ts";
import { ConflictingWriteError, StoreUnavailableError } from "../store/store.ts";
import type { Addresses } from "./addresses.ts";
import type { Membership, NodeFields } from "./membership.ts";
import type { Picture } from "./picture.ts";
import type { StoreHealth } from "./store-health.ts";

export interface StandingOptions {
  readonly store: ClusterStore;
  readonly membership: Membership;
  readonly addresses: Addresses;
  /** Absent where a controller gives up those that are gone. */
  readonly reclaim: Reclaim | undefined;
  readonly picture: Picture;
  readonly table: AddressTable;
  readonly health: StoreHealth;
  readonly log: Log;
  /** Milliseconds between two heartbeats. */
  readonly heartbeat: number;
  /** What others are to know of the node, as it is now. */
  readonly fields: () => NodeFields;
  /** Told when the node has become one of the cluster, and when its addresses have been seen to. */
  readonly joined: () => Promise<void>;
  readonly tended: () => void;
}

/** Milliseconds between two looks whether something is to be done about the node's blocks, and that pass at most. */
const TEND = 5000;
const TEND_ANYWAY = 60_000;

/**
 * Milliseconds for each node of the cluster that pass before the node looks at all blocks again because some of other
 * nodes' have changed. Everybody does, so it is work for the store that grows with the square of their number.
 */
const TEND_FOR_OTHERS = 50;

/**
 * How many nodes look for silent ones among all. The others look at these alone: so work for the store does not grow with
 * the square of their number, and somebody looks at all whichever nodes are gone.
 */
const LOOKERS = 8;

/** How things stood at some time. */
interface Tended {
  readonly at: number;
  readonly stirs: number;
  readonly changes: number;
  readonly epoch: number;
  readonly wishes: number;
}

export class Standing {
  readonly #options: StandingOptions;
  #isMember = false;
  #beat: Repeated | undefined;
  #tend: Repeated | undefined;
  /** How things stood when the node's blocks were last seen to. */
  #tended: Tended | undefined;
  /** How often somebody has asked for that. */
  #wishes = 0;

  constructor(options: StandingOptions) {
    this.#options = options;
  }

  /** Whether the node has been known to all others since this process began. */
  get isMember(): boolean {
    return this.#isMember;
  }

  start(signal: AbortSignal): void {
    const { heartbeat, reclaim, picture, membership, log } = this.#options;
    this.#beat = repeat(heartbeat, signal, () => this.#asking(() => this.#renew()), this.#failed);
    this.#tend = repeat(TEND, signal, () => this.#see(), this.#failed);
    if (reclaim === undefined) return;
    const look = async (): Promise<void> => {
      const lookers = picture.first(LOOKERS);
      const isLooker = lookers.length < LOOKERS || lookers.includes(membership.node);
      for (const node of await (isLooker ? reclaim.look() : reclaim.lookAt(lookers)))
        log.warn("a node has been silent for too long and is given up", { node });
    };
    repeat(heartbeat, signal, () => this.#asking(look), this.#failed);
  }

  /** Has others told soon what is new of the node. */
  publish(): void {
    this.#beat?.soon();
  }

  /** Has the node's addresses seen to soon. */
  tendSoon(): void {
    this.#wishes++;
    this.#tend?.soon();
  }

  async #renew(): Promise<void> {
    const { membership, fields, joined, log } = this.#options;
    if (this.#isMember && (await membership.beat())) return this.#publish();
    const isAnew = await membership.join(fields());
    log.info("the node is a member of the cluster", { epoch: membership.epoch, anew: isAnew });
    await joined();
    this.#isMember = true;
    this.tendSoon();
  }

  /** Writes the node's document where it says something else than the node. */
  async #publish(): Promise<void> {
    const { store, membership, fields } = this.#options;
    const known = await store.nodes.get(membership.node);
    if (known === undefined || known.value.gone) return;
    const wanted: NodeRecord = { ...known.value, ...fields() };
    const labels = { ...wanted.labels, [HOSTNAME_LABEL]: membership.node };
    const changed = { ...wanted, labels };
    if (JSON.stringify(changed) !== JSON.stringify(known.value)) await store.nodes.update(known, changed);
  }

  async #see(): Promise<void> {
    if (!this.#isMember || !this.#isDue()) return;
    const { addresses, picture, table, membership, tended } = this.#options;
    const { stirs } = picture;
    const { epoch } = membership;
    // What it changes itself is looked at once more, as is what calls change meanwhile.
    const { changes } = table;
    const wishes = this.#wishes;
    await this.#asking(() => addresses.tend());
    this.#tended = { at: performance.now(), stirs, epoch, changes, wishes };
    tended();
  }

  /** Whether something has happened that the node's blocks may have to do with. */
  #isDue(): boolean {
    const before = this.#tended;
    const { picture, table, membership } = this.#options;
    if (before === undefined || before.epoch !== membership.epoch || before.changes !== table.changes) return true;
    if (before.wishes !== this.#wishes) return true;
    const elapsed = performance.now() - before.at;
    if (elapsed >= TEND_ANYWAY) return true;
    return picture.stirs !== before.stirs && elapsed >= TEND_FOR_OTHERS * picture.nodes.size;
  }

  async #asking(work: () => Promise<void>): Promise<void> {
    await work();
    this.#options.health.answered();
  }

  readonly #failed = (error: unknown): void => {
    const { health, log } = this.#options;
    if (error instanceof StoreUnavailableError) health.failed(error);
    // Somebody was first: it is looked at again in its turn.
    else if (error instanceof ConflictingWriteError) log.debug("somebody else was first", { error: error.message });
    else log.error("the node's standing could not be renewed", { error: error instanceof Error ? error.stack : error });
  };
}
