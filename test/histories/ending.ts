/** How a history ends: nothing is wrong any more, all go on, and nothing may be found to be lost. */

import { type ReservationRecord, reservationName } from "../../src/core/cluster.ts";
import { familiesOf } from "../../src/ipam/cluster/blocks.ts";
import type { SimulatedCluster } from "./cluster.ts";
import type { SimulatedNode } from "./node.ts";
import type { Operator } from "./operator.ts";
import { STICKY } from "./owners.ts";
import { SPARE } from "./world.ts";

/** Throws when an owner does not get its address, or one is lost. */
export async function endWell(cluster: SimulatedCluster, operator: Operator): Promise<void> {
  await comeToRest(cluster);
  await giveAllReserved(cluster);
  operator.endReservations();
  endAll(cluster);
  await rounds(cluster, 6);
  await giveAll(cluster);
}

/** All agents run, nothing is asked of them, and time passes. */
async function comeToRest(cluster: SimulatedCluster): Promise<void> {
  cluster.store.faults = undefined;
  for (const node of cluster.nodes) node.start();
  for (const { process } of cluster.all) {
    if (process !== undefined) Object.assign(process, { paused: false, reach: "well" });
  }
  await rounds(cluster, 4);
  endAll(cluster);
  await rounds(cluster, 6);
}

function endAll(cluster: SimulatedCluster): void {
  for (const pod of [...cluster.truth.live.values()]) cluster.nodeOf(pod.node).end(pod);
}

async function rounds(cluster: SimulatedCluster, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await cluster.tick();
    await cluster.settle();
  }
}

/** Owners with a reservation get their address on whichever node they come up: one on each in turn, the others on some. */
async function giveAllReserved(cluster: SimulatedCluster): Promise<void> {
  const { random, nodes, truth } = cluster;
  const traveller = random.pick(STICKY);
  for (const key of STICKY) {
    const before = reservedFor(cluster, key);
    for (const node of key === traveller ? nodes : [random.pick(nodes)]) await giveReserved(cluster, node, key);
    const after = reservedFor(cluster, key);
    if (before !== undefined && String(before) !== String(after))
      truth.say(`${key} has another address than ${before}`);
  }
}

async function giveReserved(cluster: SimulatedCluster, node: SimulatedNode, key: string): Promise<void> {
  const isAt = (address: string) => cluster.truth.live.get(address)?.node === node.name;
  const isHere = () => reservedFor(cluster, key)?.every(isAt) ?? false;
  for (let tries = 0; !isHere() && tries < 10; tries++) {
    node.add({ pool: cluster.anyPool(), reservation: { owner: key, sticky: true } });
    await cluster.settle();
    await rounds(cluster, 1);
  }
  if (!isHere()) cluster.truth.fail(`${key} gets no address on ${node.name}\n${cluster.state()}`);
}

function reservedFor({ store }: SimulatedCluster, key: string): readonly string[] | undefined {
  const found = store.document("reservations", reservationName(key));
  return (found?.value as ReservationRecord | undefined)?.addresses;
}

/**
 * Together the nodes can give every address of the pools, the last ones borrowed. Of two families the last ones may be on two
 * nodes, neither of which lends what it may need itself: there they are given one by one.
 */
async function giveAll(cluster: SimulatedCluster): Promise<void> {
  const { truth, nodes, pools } = cluster;
  const missingOf = (pool: string) => cluster.usable(pool).filter((address) => !truth.live.has(address));
  const missing = () => Object.keys(pools).flatMap(missingOf);
  for (let tries = 0; missing().length > 0 && tries < 30; tries++) {
    for (const [pool, record] of Object.entries(pools)) {
      for (const node of nodes) {
        const lacking = missingOf(pool);
        const isAlike = familiesOf(record).length === 1 || lacking.length > nodes.length * SPARE;
        node.add(isAlike ? { pool } : { pool, addresses: lacking.slice(0, 1) });
        await cluster.settle();
      }
    }
    await rounds(cluster, 1);
  }
  if (missing().length > 0) truth.fail(`${missing().join(", ")} are lost\n${cluster.state()}`);
}
