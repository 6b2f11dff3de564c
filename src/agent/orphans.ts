/**
 * Attachments whose pod does not exist any more, though its network namespace does: the runtime has never taken them down.
 *
 * An owner is suspected when its pod is not among those that the API server tells of the node. That is one list, which may
 * be late; so it has to be missing for some time, and then the API server is asked for this pod itself. Only one that it
 * does not know at all is taken off the network, by what DEL does: nothing is given to others while somebody still has it.
 */

import { lasted, stillSo } from "../cluster/since.ts";
import { attachmentName, type OwnerRecord } from "../ipam/cluster/owner.ts";

export interface OrphansOptions {
  /** All owners that are known. */
  readonly owners: () => readonly OwnerRecord[];
  /** Whether a pod, by namespace and name, is among the node's. */
  readonly isKnown: (pod: string) => boolean;
  /** Whether it is gone for sure. */
  readonly isGone: (pod: string) => Promise<boolean>;
  /** Milliseconds of a clock that nobody sets. */
  readonly clock: () => number;
  /** Milliseconds for which a pod has to be missing before it is asked for. */
  readonly patience: number;
  /** Takes an owner off the network. */
  readonly detach: (owner: string) => void;
}

export class Orphans {
  readonly #options: OrphansOptions;
  /** Since when attachments have been suspected, by their names. */
  #suspected = new Map<string, number>();

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  /** One look at all owners. Returns those that it has taken off the network. Throws what that throws. */
  async look(): Promise<string[]> {
    const { owners, isKnown, isGone, clock, patience, detach } = this.#options;
    const now = clock();
    const missing = owners().flatMap((record) => {
      const { owner, podNamespace, podName } = record;
      const pod = `${podNamespace}/${podName}`;
      if (podNamespace === null || podName === null || isKnown(pod)) return [];
      return [{ owner, pod, name: attachmentName(record) }];
    });
    this.#suspected = stillSo(
      this.#suspected,
      now,
      missing.map(({ name }) => name),
    );
    const detached: string[] = [];
    for (const { owner, pod, name } of missing) {
      if (!lasted(this.#suspected, name, now, patience)) continue;
      const isOrphan = await isGone(pod);
      // Whoever turns out to be there is missing from the list for another reason, and has its time anew.
      this.#suspected.delete(name);
      if (!isOrphan) continue;
      detach(owner);
      detached.push(owner);
    }
    return detached;
  }
}
