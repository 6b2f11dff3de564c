/** How fast a node gives addresses, and how often it writes to the store for them. */

import { Addresses } from "../src/agent/addresses.ts";
import { Membership } from "../src/agent/membership.ts";
import { clusterStore } from "../src/cluster/cluster-store.ts";
import { poolDocuments } from "../src/core/cluster.ts";
import { AddressTable } from "../src/ipam/cluster/address-table.ts";
import { ownerName } from "../src/ipam/cluster/owner.ts";
import type { Store } from "../src/store/store.ts";
import type { Sample } from "./measurement.ts";

export interface AllocationRate {
  /** Addresses that were given. */
  readonly addresses: number;
  /** What giving them took, the store's part included. */
  readonly giving: Sample;
  /** What giving and releasing as many took, one after the other, out of the blocks in hand. */
  readonly turning: Sample;
  /** Creations, updates and deletions of documents, all kinds. */
  readonly writes: number;
}

/** A store that counts what is written to it. */
function counting(store: Store): { readonly store: Store; writes(): number } {
  let writes = 0;
  const counted =
    <A extends unknown[], R>(change: (...args: A) => R) =>
    (...args: A): R => {
      writes++;
      return change(...args);
    };
  return {
    writes: () => writes,
    store: {
      get: (...args) => store.get(...args),
      list: (...args) => store.list(...args),
      watch: (...args) => store.watch(...args),
      create: counted((...args: Parameters<Store["create"]>) => store.create(...args)),
      update: counted((...args: Parameters<Store["update"]>) => store.update(...args)),
      delete: counted((...args: Parameters<Store["delete"]>) => store.delete(...args)),
      openSession: (...args) => store.openSession(...args),
      close: () => store.close(),
    },
  };
}

async function timed(work: () => Promise<void>): Promise<Sample> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: performance.now() - start, cpu: (user + system) / 1000 };
}

/** Gives so many IPv4 addresses on one node, whose table is the file at `path`, and gives and releases as many again. */
export async function measureAllocation(backing: Store, path: string, count: number): Promise<AllocationRate> {
  const { store, writes } = counting(backing);
  const cluster = clusterStore(store, (sentence) => {
    throw new Error(sentence);
  });
  await cluster.pools.create("default", poolDocuments.parse({ version: 1, cidrs: ["10.0.0.0/8"] }));
  const clock = () => Date.now();
  const membership = new Membership(cluster, {
    node: "n1",
    incarnation: "bench",
    clock,
    grace: 600_000,
    patience: 600_000,
  });
  const table = new AddressTable(path);
  const addresses = new Addresses(cluster, membership, table, {
    clock,
    coolDown: 60_000,
    spare: 16,
    idle: 600_000,
    lost: () => {},
  });
  try {
    await membership.join({ addresses: [], modes: [], labels: {} });
    await addresses.tend();
    const before = writes();
    const owner = (i: number, round: string) =>
      ownerName({ network: "tendril", containerId: `${round}${i}`, ifname: "eth0" });
    const request = { pool: "default" };
    const giving = await timed(async () => {
      for (let i = 0; i < count; i++) await addresses.give(owner(i, "a"), request);
    });
    const given = writes() - before;
    for (let i = 0; i < count; i++) addresses.release(owner(i, "a"));
    const turning = await timed(async () => {
      for (let i = 0; i < count; i++) {
        await addresses.give(owner(i, "b"), request);
        addresses.release(owner(i, "b"));
      }
    });
    return { addresses: count, giving, turning, writes: given };
  } finally {
    table.close();
  }
}
