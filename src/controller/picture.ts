/** What the controller knows of the cluster: the store's documents, and those of Kubernetes' objects that they depend on. */

import { type ClusterStore, clusterStore } from "../cluster/cluster-store.ts";
import { followed } from "../cluster/follow.ts";
import {
  type BlockRecord,
  type DocumentKind,
  type NodeRecord,
  type PoolRecord,
  poolDocuments,
  type ReservationRecord,
} from "../core/cluster.ts";
import { Collection, type Documents, type Warn } from "../store/collection.ts";
import type { Machine, Pod, PoolObject, ServiceNetworks, StatefulSet } from "../store/kubernetes/watched.ts";
import type { Store } from "../store/store.ts";
import type { PoolStatus } from "./pool-status.ts";

/** A pool with what has been told of it. */
export interface Pool {
  readonly uid: string;
  readonly generation: number;
  readonly record: PoolRecord;
  readonly status: PoolStatus;
}

/** All of it at some time. */
export interface Picture {
  readonly pools: Documents<Pool>;
  readonly blocks: Documents<BlockRecord>;
  readonly reservations: Documents<ReservationRecord>;
  readonly nodes: Documents<NodeRecord>;
  readonly machines: Documents<Machine>;
  readonly pods: Documents<Pod>;
  readonly statefulSets: Documents<StatefulSet>;
  readonly serviceNetworks: Documents<ServiceNetworks>;
}

/** Documents whose form their resource has seen to. */
function asTold<T>(kind: string): DocumentKind<T> {
  return { kind, parse: (value) => value as T };
}

const poolObjects: DocumentKind<Pool> = {
  kind: "poolobjects",
  parse(value) {
    const { uid, generation, spec, status } = value as PoolObject;
    return { uid, generation, record: poolDocuments.parse(spec), status: (status ?? {}) as PoolStatus };
  },
};

/** What is followed, and where it lies. */
interface Followed extends Pick<ClusterStore, "blocks" | "reservations" | "nodes"> {
  readonly pools: Collection<Pool>;
  readonly machines: Collection<Machine>;
  readonly pods: Collection<Pod>;
  readonly statefulSets: Collection<StatefulSet>;
  readonly serviceNetworks: Collection<ServiceNetworks>;
}

/** Kinds that older API servers do not have, and without which the rest is done all the same. */
const OPTIONAL: readonly string[] = ["serviceNetworks"];

function collections(store: Store, warn: Warn): Followed {
  const { blocks, reservations, nodes } = clusterStore(store, warn);
  return {
    ...{ blocks, reservations, nodes },
    pools: new Collection(store, poolObjects, warn),
    machines: new Collection(store, asTold<Machine>("machines"), warn),
    pods: new Collection(store, asTold<Pod>("pods"), warn),
    statefulSets: new Collection(store, asTold<StatefulSet>("statefulsets"), warn),
    serviceNetworks: new Collection(store, asTold<ServiceNetworks>("servicenetworks"), warn),
  };
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  readonly warn: Warn;
  /** Told after each change, once all kinds have been listed. */
  readonly changed: () => void;
  readonly failed: (error: unknown) => void;
}

/** Follows the store; the picture that is returned goes on with it, and is undefined until it is whole. */
export function followPicture(store: Store, options: FollowOptions): () => Picture | undefined {
  const { signal, warn, changed, failed } = options;
  const empty: Documents<never> = new Map();
  const picture: { -readonly [K in keyof Picture]: Picture[K] } = {
    ...{ pools: empty, blocks: empty, reservations: empty, nodes: empty },
    ...{ machines: empty, pods: empty, statefulSets: empty, serviceNetworks: empty },
  };
  const all = collections(store, warn);
  const missing = new Set(Object.keys(all).filter((kind) => !OPTIONAL.includes(kind)));
  const follow = <K extends keyof Picture>(kind: K, collection: Collection<unknown>): void => {
    let isTold = false;
    const problem = (error: unknown) => {
      // It is tried again and again, and told once.
      if (!OPTIONAL.includes(kind) || !isTold) failed(error);
      isTold = true;
    };
    void followed(collection, signal, problem, (documents) => {
      picture[kind] = documents as Picture[K];
      missing.delete(kind);
      if (missing.size === 0) changed();
    });
  };
  for (const kind of Object.keys(all) as (keyof Picture)[]) follow(kind, all[kind] as Collection<unknown>);
  return () => (missing.size === 0 ? picture : undefined);
}
