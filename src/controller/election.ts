/**
 * Which of several controllers does the work: the one that holds a Lease and renews it.
 *
 * No two clocks are compared. A candidate takes the Lease when it has seen it unchanged for its whole duration; the
 * holder counts from the moment before it asked for its last renewal, and stops at two thirds of the duration. So it has
 * stopped by the time at which another begins, its process having been paused meanwhile or not. What it had sent by then
 * and comes late fails at the revision that it was meant for.
 * @see https://kubernetes.io/docs/concepts/architecture/leases/
 */

import { ConfigError, TendrilError } from "../core/errors.ts";
import { ConflictingWriteError, type Entry, type Revision, type Store } from "../store/store.ts";

/** As a Lease says it. @see coordination.k8s.io/v1 LeaseSpec */
export interface LeaderRecord {
  /** Empty when it was given up. */
  readonly holderIdentity: string;
  readonly leaseDurationSeconds: number;
  readonly leaseTransitions: number;
}

export interface ElectionOptions {
  readonly store: Store;
  /** The Lease's name. */
  readonly name: string;
  /** Tells this process from all others, those too that it follows under the same name. */
  readonly identity: string;
  /** Seconds after which a holder that is silent is followed by another. */
  readonly duration: number;
  /** Milliseconds of a clock that nobody sets and that goes on while the machine sleeps. */
  readonly clock: () => number;
}

/** This process is not the one that does the work, or cannot be sure that it still is. */
export class NotLeaderError extends TendrilError {}

const KIND = "leaders";

/** Of the duration for which a holder may work after it has asked for a renewal. */
const SURE = 2 / 3;

export class Election {
  readonly #options: ElectionOptions;
  #leadsUntil = Number.NEGATIVE_INFINITY;
  /** The Lease of somebody else as it was last seen, and since when it has been so. */
  #seen: { readonly revision: Revision; readonly since: number } | undefined;
  #holder = "";

  constructor(options: ElectionOptions) {
    if (options.duration < 3) throw new ConfigError("lease", "must be 3 seconds at least", { value: options.duration });
    this.#options = options;
  }

  /** Whether nobody else can have begun to do the work. To be asked right before each change. */
  isLeader(): boolean {
    return this.#options.clock() < this.#leadsUntil;
  }

  /** Who leads, as far as is known; empty when nobody does. */
  get holder(): string {
    return this.#holder;
  }

  /** Throws NotLeaderError unless this is the leader. */
  require(): void {
    if (this.isLeader()) return;
    throw new NotLeaderError("This controller is not the leader any more, and leaves the change to its follower");
  }

  /**
   * Renews the Lease, or takes it where it is free; to be called several times in its duration. Returns whether this is
   * the leader now. Throws StoreUnavailableError.
   */
  async campaign(): Promise<boolean> {
    const { store, name, identity, duration, clock } = this.#options;
    const begun = clock();
    const found = await store.get(KIND, name);
    const before = found && leaderOf(found);
    if (found && before && before.holderIdentity !== identity && !this.#isFree(found, before)) {
      this.#lose(before.holderIdentity);
      return false;
    }
    const isNew = before?.holderIdentity !== identity;
    const record: LeaderRecord = {
      ...before,
      holderIdentity: identity,
      leaseDurationSeconds: duration,
      leaseTransitions: (before?.leaseTransitions ?? -1) + (isNew ? 1 : 0),
    };
    try {
      if (found === undefined) await store.create(KIND, name, record);
      else await store.update(KIND, name, record, found.revision);
    } catch (error) {
      if (!(error instanceof ConflictingWriteError)) throw error;
      this.#lose("");
      return false;
    }
    this.#seen = undefined;
    this.#holder = identity;
    this.#leadsUntil = begun + duration * 1000 * SURE;
    return this.isLeader();
  }

  /** Gives the Lease up, so that another need not wait. Throws StoreUnavailableError. */
  async resign(): Promise<void> {
    const { store, name, identity } = this.#options;
    this.#lose("");
    const found = await store.get(KIND, name);
    const before = found && leaderOf(found);
    if (found === undefined || before?.holderIdentity !== identity) return;
    try {
      await store.update(KIND, name, { ...before, holderIdentity: "", leaseDurationSeconds: 1 }, found.revision);
    } catch (error) {
      if (!(error instanceof ConflictingWriteError)) throw error;
    }
  }

  #lose(holder: string): void {
    this.#leadsUntil = Number.NEGATIVE_INFINITY;
    this.#holder = holder;
  }

  /** Whether nobody holds it, or who does has been silent for so long that it has stopped. */
  #isFree({ revision }: Entry, { holderIdentity, leaseDurationSeconds }: LeaderRecord): boolean {
    if (holderIdentity === "") return true;
    const now = this.#options.clock();
    if (this.#seen?.revision !== revision) {
      this.#seen = { revision, since: now };
      return false;
    }
    return now - this.#seen.since >= leaseDurationSeconds * 1000;
  }
}

/** A Lease that says nothing is held by nobody. */
function leaderOf({ value }: Entry): LeaderRecord {
  return { holderIdentity: "", leaseDurationSeconds: 0, leaseTransitions: 0, ...(value as Partial<LeaderRecord>) };
}
