/** Who looks after a simulated cluster: reserves addresses, says that a node is gone, forgets such as are. */

import { forgetNode } from "../../src/cli/node-changes.ts";
import {
  type BlockRecord,
  DOCUMENT_VERSION,
  type NodeRecord,
  type ReservationRecord,
  reservationName,
} from "../../src/core/cluster.ts";
import { TendrilError } from "../../src/core/errors.ts";
import type { Store } from "../../src/store/store.ts";
import { newProcess } from "../support/simulated-store.ts";
import { NODES, type SimulatedCluster } from "./cluster.ts";
import { anyAddress, FIXED, RESERVED, STICKY } from "./owners.ts";
import { clusterOf, EPOCH, GRACE } from "./world.ts";

export class Operator {
  readonly #cluster: SimulatedCluster;
  readonly #store: Store;

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster;
    this.#store = cluster.store.client(newProcess());
  }

  makePools(): void {
    for (const [name, pool] of Object.entries(this.#cluster.pools)) void this.#store.create("pools", name, pool);
  }

  /** Reserves an address, takes a reservation away, or says that a node is gone for good. */
  act(): void {
    const { random, store, truth } = this.#cluster;
    if (random.below(6) === 0) {
      this.#sayGone(random.pick(NODES));
      return;
    }
    const owner = random.pick([...RESERVED, ...STICKY, ...Object.keys(FIXED)]);
    const found = store.document("reservations", reservationName(owner));
    // Some end by themselves.
    const isLeft = RESERVED.includes(owner) && random.below(3) === 0;
    if (found !== undefined && !isLeft) {
      truth.say(`the operator deletes the reservation of ${owner}`);
      truth.count("ended");
      void this.#store.delete("reservations", found.name, found.revision).catch(() => {});
    } else if (found === undefined && RESERVED.includes(owner)) {
      const address = anyAddress(random);
      truth.say(`the operator reserves ${address} for ${owner}`);
      const expires = new Date(EPOCH + truth.now + random.below(6 * GRACE)).toISOString();
      const record: ReservationRecord = { version: DOCUMENT_VERSION, addresses: [address], owner, expires };
      void this.#store.create("reservations", reservationName(owner), record).catch(() => {});
    }
  }

  endReservations(): void {
    for (const { name, revision } of this.#cluster.store.documents("reservations")) {
      void this.#store.delete("reservations", name, revision).catch(() => {});
    }
  }

  #sayGone(node: string): void {
    const cluster = this.#cluster;
    cluster.truth.say(`the operator says that ${node} is gone`);
    const store = clusterOf(cluster.store, newProcess());
    const sleep = (milliseconds: number) => cluster.sleep(milliseconds);
    forgetNode(store, node, { patience: GRACE, sleep }).catch((error: unknown) => {
      // It is alive or not known, or the store does not answer.
      if (!(error instanceof TendrilError)) cluster.failed(error);
    });
  }

  /** As a controller does: nodes that are given up and hold nothing are not known any more. */
  forgetNodes(): void {
    const { store, truth } = this.#cluster;
    const blocks = store.documents("blocks").map(({ value }) => value as BlockRecord);
    for (const { name, value, revision } of store.documents("nodes")) {
      const holds = blocks.some(({ node, lent }) => node === name || Object.values(lent).includes(name));
      if (!(value as NodeRecord).gone || holds) continue;
      truth.say(`${name} is forgotten`);
      truth.count("forgotten");
      void this.#store.delete("nodes", name, revision).catch(() => {});
    }
  }
}
