/**
 * Sessions as Leases that their owners renew. A document names its session in a label, and whoever sees one keeps an eye
 * on its Lease: when that has stood still for the session's time it is deleted, and where there is none the documents
 * are deleted.
 *
 * Time is each observer's own: clocks are not compared. A document that nobody looks at stays until somebody does.
 */

import { sleep } from "../sleep.ts";
import { type Session, StoreUnavailableError } from "../store.ts";
import { type ApiClient, ApiError, JSON_PATCH } from "./client.ts";
import { type ApiObject, GROUP, type LeaseSpec, leaseOf, leasesPath, microTime } from "./resources.ts";

/** On a document: the session that it belongs to. */
export const SESSION_LABEL = `${GROUP}/session`;

/** Milliseconds between two looks at sessions whose documents have been seen. */
const PERIOD = 1000;

/** Deletes a session's documents of a kind. Throws StoreUnavailableError. */
export type Remove = (kind: string, id: string) => Promise<void>;

export class LeaseSessions {
  readonly #client: ApiClient;
  readonly #path: string;
  readonly #remove: Remove;
  readonly #seen = new Map<string, Seen>();
  #isLooking = false;

  constructor(client: ApiClient, namespace: string, remove: Remove) {
    this.#client = client;
    this.#path = leasesPath(namespace);
    this.#remove = remove;
  }

  /** Begins one of so many milliseconds, in whole seconds as a Lease has it. Throws StoreUnavailableError. */
  async open(ttl: number): Promise<Session> {
    const id = `session-${crypto.randomUUID()}`;
    const spec = { holderIdentity: id, leaseDurationSeconds: Math.ceil(ttl / 1000) };
    const body = { ...leaseOf(spec), metadata: { name: id } };
    await this.#client.call({ method: "POST", path: this.#path, body });
    const lost = new AbortController();
    const closed = new AbortController();
    const ended = AbortSignal.any([this.#client.closed, closed.signal]);
    void this.#renew(id, ttl, ended, () => lost.abort());
    return {
      id,
      lost: lost.signal,
      close: async () => {
        closed.abort();
        const kinds = this.#seen.get(id)?.kinds ?? new Set();
        await this.#delete(id);
        for (const kind of kinds) await this.#remove(kind, id);
        this.#seen.delete(id);
      },
    };
  }

  /** Whether it has not ended. Throws StoreUnavailableError. */
  async isAlive(id: string): Promise<boolean> {
    return (await this.#lease(id)) !== undefined;
  }

  /** A document of a session has been seen: from now on it goes when the session ends. */
  note(kind: string, id: string): void {
    const seen = this.#seen.get(id) ?? { kinds: new Set(), revision: "", since: 0 };
    seen.kinds.add(kind);
    this.#seen.set(id, seen);
    if (!this.#isLooking) void this.#look();
  }

  async #renew(id: string, ttl: number, ended: AbortSignal, lost: () => void): Promise<void> {
    for (;;) {
      await sleep(ttl / 3, ended);
      if (ended.aborted) return;
      const body = [{ op: "add", path: "/spec/renewTime", value: microTime() }];
      try {
        await this.#client.call({ method: "PATCH", path: `${this.#path}/${id}`, body, contentType: JSON_PATCH });
      } catch (error) {
        if (ended.aborted) return;
        if (!(error instanceof StoreUnavailableError)) return lost();
      }
    }
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    while (this.#seen.size > 0 && !this.#client.closed.aborted) {
      for (const [id, seen] of [...this.#seen]) {
        try {
          if (await this.#isOver(id, seen)) {
            for (const kind of seen.kinds) await this.#remove(kind, id);
            this.#seen.delete(id);
          }
        } catch (error) {
          // Not for us to see to: others may.
          if (error instanceof ApiError) this.#seen.delete(id);
          // Away: nobody could renew it either, so its time begins anew.
          else if (error instanceof StoreUnavailableError) seen.revision = "";
          else throw error;
        }
      }
      await sleep(PERIOD, this.#client.closed);
    }
    this.#isLooking = false;
  }

  /** Whether its Lease is gone, by our own hand where it has stood still for long enough. */
  async #isOver(id: string, seen: Seen): Promise<boolean> {
    const lease = await this.#lease(id);
    if (lease === undefined) return true;
    const { resourceVersion: revision = "" } = lease.metadata;
    const now = performance.now();
    if (revision !== seen.revision) {
      seen.revision = revision;
      seen.since = now;
      return false;
    }
    const { leaseDurationSeconds = 0 } = (lease.spec ?? {}) as LeaseSpec;
    if (now - seen.since < leaseDurationSeconds * 1000) return false;
    return this.#delete(id, revision);
  }

  #lease(id: string): Promise<ApiObject | undefined> {
    return orMissing(this.#client.call<ApiObject>({ path: `${this.#path}/${id}` }));
  }

  /** Deletes a Lease; false when it is not at a revision any more. */
  async #delete(id: string, resourceVersion?: string): Promise<boolean> {
    const body = resourceVersion === undefined ? {} : { preconditions: { resourceVersion } };
    try {
      await orMissing(this.#client.call({ method: "DELETE", path: `${this.#path}/${id}`, body }));
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) return false;
      throw error;
    }
  }
}

interface Seen {
  readonly kinds: Set<string>;
  /** The Lease as it was last seen, and since when it has been so. */
  revision: string;
  since: number;
}

/** The answer, or undefined for an object that is not there. */
export async function orMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404 && error.reason === "NotFound") return undefined;
    throw error;
  }
}
