/**
 * Making the changes that the loops want, one after the other.
 *
 * A loop has seen a picture, which may be late. So whoever is taken for gone is asked for once more at the API server
 * itself, and every write names the state that it was meant for.
 */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import { ifUnchanged } from "../cluster/reclaim.ts";
import { type ApiClient, ApiError, JSON_PATCH } from "../store/kubernetes/client.ts";
import { writeEvent } from "../store/kubernetes/events.ts";
import { GROUP, VERSION } from "../store/kubernetes/resources.ts";
import { orMissing } from "../store/kubernetes/session.ts";
import { statefulSetOf } from "../store/kubernetes/watched.ts";
import type { Change } from "./changes.ts";
import { counts, ownerOf } from "./reservations.ts";

export interface ApplyOptions {
  readonly client: ApiClient;
  /** Fenced. */
  readonly cluster: Pick<ClusterStore, "nodes" | "reservations">;
  /** Throws where a change is not this process's to make; it is asked right before each. */
  readonly require: () => void;
}

/** What came of a change: somebody else may have been first, or it may not hold any more. */
export type Outcome = "made" | "overtaken";

const COMPONENT = "tendril-controller";

export class Applier {
  readonly #options: ApplyOptions;

  constructor(options: ApplyOptions) {
    this.#options = options;
  }

  /** Throws StoreUnavailableError, ApiError, NotLeaderError. */
  async apply(change: Change): Promise<Outcome> {
    switch (change.type) {
      case "pool-status":
        return this.#writeStatus(change);
      case "event": {
        this.#options.require();
        await writeEvent(this.#options.client, COMPONENT, change.about, change.event);
        return "made";
      }
      case "forget-node": {
        const { node } = change;
        if (await this.#exists(`/api/v1/nodes/${node.name}`)) return "overtaken";
        return outcome(await ifUnchanged(() => this.#options.cluster.nodes.delete(node)));
      }
      case "end-reservation": {
        const { reservation } = change;
        if (await this.#isOwnerThere(reservation.value.owner)) return "overtaken";
        return outcome(await ifUnchanged(() => this.#options.cluster.reservations.delete(reservation)));
      }
    }
  }

  async #writeStatus({ pool, revision, status }: Extract<Change, { type: "pool-status" }>): Promise<Outcome> {
    this.#options.require();
    const body = [
      { op: "replace", path: "/metadata/resourceVersion", value: revision },
      // The whole of it: a family that the pool has no more is to go.
      { op: "add", path: "/status", value: status },
    ];
    const path = `/apis/${GROUP}/${VERSION}/pools/${pool}/status`;
    try {
      await this.#options.client.call({ method: "PATCH", path, body, contentType: JSON_PATCH });
      return "made";
    } catch (error) {
      if (error instanceof ApiError && (error.status === 409 || error.status === 404)) return "overtaken";
      throw error;
    }
  }

  async #isOwnerThere(name: string): Promise<boolean> {
    const owner = ownerOf(name);
    if (owner === undefined) return true;
    const { namespace, pod, set } = owner;
    if (await this.#exists(`/api/v1/namespaces/${namespace}/pods/${pod}`)) return true;
    if (set === undefined) return false;
    const path = `/apis/apps/v1/namespaces/${namespace}/statefulsets/${set.name}`;
    const found = await orMissing(this.#options.client.call<Parameters<typeof statefulSetOf>[0]>({ path }));
    return found !== undefined && counts(statefulSetOf(found), set.ordinal);
  }

  async #exists(path: string): Promise<boolean> {
    return (await orMissing(this.#options.client.call({ path }))) !== undefined;
  }
}

function outcome(isMade: boolean): Outcome {
  return isMade ? "made" : "overtaken";
}
