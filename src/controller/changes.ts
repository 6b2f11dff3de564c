/** What the controller's loops want changed: each says what it depends on, so that what is late does no harm. */

import type { NodeRecord, ReservationRecord } from "../core/cluster.ts";
import type { Document } from "../store/collection.ts";
import type { EventText, Involved } from "../store/kubernetes/events.ts";
import type { Revision } from "../store/store.ts";
import type { PoolStatus } from "./pool-status.ts";

export type Change =
  | {
      readonly type: "pool-status";
      readonly pool: string;
      /** The pool's, when it was looked at. */
      readonly revision: Revision;
      readonly status: PoolStatus;
    }
  | { readonly type: "event"; readonly about: Involved; readonly event: EventText }
  /** A node whose machine is gone, and that holds nothing any more. */
  | { readonly type: "forget-node"; readonly node: Document<NodeRecord> }
  /** A sticky reservation whose owner is gone. */
  | { readonly type: "end-reservation"; readonly reservation: Document<ReservationRecord> };
