/**
 * Addresses whose pods are gone without a DEL.
 *
 * An owner is suspected when its network namespace is not there, or another one is in its place. It is released only
 * when a second look, some time later, finds the same; one look alone never releases anything, because a path may be
 * away for a moment: a runtime that is being upgraded mounts it again. Owners of another boot need no second look, for
 * nothing of that boot is left.
 */

import type { OwnerRecord } from "../ipam/cluster/owner.ts";

export interface GarbageOptions {
  /** All owners that are known. */
  readonly owners: () => readonly OwnerRecord[];
  /** Which namespace is at a path, or undefined where there is none. */
  readonly netnsId: (path: string) => string | undefined;
  readonly bootId: string;
  /** Milliseconds of a clock that nobody sets. */
  readonly clock: () => number;
  /** Milliseconds that have to lie between the two looks at least. */
  readonly patience: number;
  /** Takes the owner's addresses back; they cool down. */
  readonly release: (owner: string) => void;
}

interface Suspicion {
  readonly since: number;
  /** When the owner had been attached, so that one that has been attached anew is another one. */
  readonly attached: number;
}

export class Garbage {
  readonly #options: GarbageOptions;
  readonly #suspected = new Map<string, Suspicion>();

  constructor(options: GarbageOptions) {
    this.#options = options;
  }

  /** Releases the owners of other boots, and returns them: for the start, before anything is given. */
  releaseFormerBoots(): string[] {
    const { owners, bootId } = this.#options;
    const former = owners().filter((owner) => owner.bootId !== bootId);
    return former.map(({ owner }) => this.#release(owner));
  }

  /** One look at all owners. Returns those that it has released. */
  look(): string[] {
    const { owners, clock, patience } = this.#options;
    const now = clock();
    const released: string[] = [];
    const seen = new Set<string>();
    for (const record of owners()) {
      const { owner, since: attached } = record;
      seen.add(owner);
      const suspicion = this.#suspected.get(owner);
      if (!this.#isGone(record)) this.#suspected.delete(owner);
      else if (suspicion?.attached !== attached) this.#suspected.set(owner, { since: now, attached });
      else if (now - suspicion.since >= patience) released.push(this.#release(owner));
    }
    for (const owner of this.#suspected.keys()) if (!seen.has(owner)) this.#suspected.delete(owner);
    return released;
  }

  /** The owners that a second look may release. */
  suspected(): string[] {
    return [...this.#suspected.keys()];
  }

  /** Where the namespace had not been known, nothing tells that it is gone. */
  #isGone({ netns, netnsId }: OwnerRecord): boolean {
    return netns !== null && netnsId !== null && this.#options.netnsId(netns) !== netnsId;
  }

  #release(owner: string): string {
    this.#suspected.delete(owner);
    this.#options.release(owner);
    return owner;
  }
}
