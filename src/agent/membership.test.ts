import { expect, test } from "bun:test";
import { MemoryStore } from "../../test/support/memory-store.ts";
import { clusterStore } from "../cluster/cluster-store.ts";
import { Membership } from "./membership.ts";

test("a node that has been forgotten begins beyond the epochs in which its process has claimed blocks", async () => {
  const store = clusterStore(new MemoryStore(), (sentence) => {
    throw new Error(sentence);
  });
  const options = { node: "n1", incarnation: "a", clock: () => 0, grace: 1000, patience: 1500 };
  const membership = new Membership(store, options);
  const fields = { addresses: ["192.0.2.1/24"], modes: [], labels: {} };
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
