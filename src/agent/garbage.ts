/**
 * Addresses whose pods are gone without a DEL.
 *
 * An owner is suspected when its network namespace is not there, or another one is in its place. It is released only
 * when a second look, some time later, finds the same; one look alone never releases anything, because a path may be
 * away for a moment: a runtime that is being upgraded mounts it again. Owners of another boot need no second look, for
 * nothing of that boot is left.
 */

import { lasted, stillSo } from "../cluster/since.ts";
import { attachmentName, type OwnerRecord } from "../ipam/cluster/owner.ts";

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

export class Garbage {
  readonly #options: GarbageOptions;
  /** Since when attachments have been suspected, by their names. */
  #suspected = new Map<string, number>();

  constructor(options: GarbageOptions) {
    this.#options = options;
  }

  /** Releases the owners of other boots, and returns them: for the start, before anything is given. */
  releaseFormerBoots(): string[] {
    const { owners, bootId } = this.#options;
    const former = owners().filter((owner) => owner.bootId !== bootId);
    return former.map((owner) => this.#release(owner));
  }

  /** One look at all owners. Returns those that it has released. */
  look(): string[] {
    const { owners, clock, patience } = this.#options;
    const now = clock();
    const gone = owners().filter((record) => this.#isGone(record));
    const before = this.#suspected;
    this.#suspected = stillSo(before, now, gone.map(attachmentName));
    const due = gone.filter((record) => lasted(before, attachmentName(record), now, patience));
    return due.map((record) => this.#release(record));
  }

  /** The owners that a second look may release. */
  suspected(): string[] {
    return this.#options
      .owners()
      .filter((record) => this.#suspected.has(attachmentName(record)))
      .map(({ owner }) => owner);
  }

  /** Where the namespace had not been known, nothing tells that it is gone. */
  #isGone({ netns, netnsId }: OwnerRecord): boolean {
    return netns !== null && netnsId !== null && this.#options.netnsId(netns) !== netnsId;
  }

  #release(record: OwnerRecord): string {
    this.#suspected.delete(attachmentName(record));
    this.#options.release(record.owner);
    return record.owner;
  }
}
