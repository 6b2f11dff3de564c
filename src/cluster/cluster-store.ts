/** The cluster's documents by kind, in one store. */

import {
  type BlockRecord,
  blockDocuments,
  type HeartbeatRecord,
  heartbeatDocuments,
  type NodeRecord,
  nodeDocuments,
  type PoolRecord,
  poolDocuments,
  type ReservationRecord,
  reservationDocuments,
} from "../core/cluster.ts";
import { Collection, type Warn } from "../store/collection.ts";
import type { Store } from "../store/store.ts";

export interface ClusterStore {
  readonly nodes: Collection<NodeRecord>;
  readonly heartbeats: Collection<HeartbeatRecord>;
  readonly pools: Collection<PoolRecord>;
  readonly blocks: Collection<BlockRecord>;
  readonly reservations: Collection<ReservationRecord>;
}

/** `warn` hears of documents that do not parse and are passed over. */
export function clusterStore(store: Store, warn: Warn): ClusterStore {
  return {
    nodes: new Collection(store, nodeDocuments, warn),
    heartbeats: new Collection(store, heartbeatDocuments, warn),
    pools: new Collection(store, poolDocuments, warn),
    blocks: new Collection(store, blockDocuments, warn),
    reservations: new Collection(store, reservationDocuments, warn),
  };
}
