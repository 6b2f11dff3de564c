import { expect, test } from "bun:test";
import { MemoryStore } from "../../test/support/memory-store.ts";
import { type ClusterStore, clusterStore } from "../cluster/cluster-store.ts";
import { giveUpNode } from "../cluster/reclaim.ts";
import { type Entry, type Store, StoreUnavailableError } from "../store/store.ts";
import { Membership } from "./membership.ts";

const options = { node: "n1", incarnation: "a", clock: () => 0, grace: 1000, patience: 1500 };
const fields = { addresses: ["192.0.2.1/24"], modes: [], labels: {} };

function openCluster(store: Store): ClusterStore {
  return clusterStore(store, (sentence) => {
    throw new Error(sentence);
  });
}

/** A store that can be unreachable for one kind of documents. */
class PartlyAway extends MemoryStore {
  away: string | undefined;

  override async get(kind: string, name: string): Promise<Entry | undefined> {
    if (kind === this.away) throw new StoreUnavailableError("no answer");
    return super.get(kind, name);
  }
}

test("a node that has been forgotten begins beyond the epochs in which its process has claimed blocks", async () => {
  const store = openCluster(new MemoryStore());
  const membership = new Membership(store, options);
  expect(await membership.join(fields)).toBe(true);
  expect((await store.nodes.get("n1"))?.value).toMatchObject({ epoch: 1, patience: 2 });
  // While it was paused it was given up, its blocks were freed, and a controller has deleted what was known of it.
  const [node, sign] = [await store.nodes.get("n1"), await store.heartbeats.get("n1")];
  if (node !== undefined) await store.nodes.delete(node);
  if (sign !== undefined) await store.heartbeats.delete(sign);
  expect(await membership.beat()).toBe(false);
  expect(await membership.join(fields)).toBe(true);
  expect(membership.epoch).toBe(2);
});

test("a join that is cut off after its heartbeat is begun again: the node is given up until it is through", async () => {
  const raw = new PartlyAway();
  const store = openCluster(raw);
  const membership = new Membership(store, options);
  await membership.join(fields);
  const [node, sign] = [await store.nodes.get("n1"), await store.heartbeats.get("n1")];
  if (node !== undefined) await giveUpNode(store, node, sign);
  expect(await membership.beat()).toBe(false);
  raw.away = "nodes";
  await expect(membership.join(fields)).rejects.toBeInstanceOf(StoreUnavailableError);
  raw.away = undefined;
  expect((await store.nodes.get("n1"))?.value.gone).toBe(true);
  expect([await membership.beat(), membership.isSafe()]).toEqual([false, false]);
  expect(await membership.join(fields)).toBe(true);
  expect((await store.nodes.get("n1"))?.value).toMatchObject({ gone: false, epoch: 3 });
  expect([await membership.beat(), membership.isSafe()]).toEqual([true, true]);
});
