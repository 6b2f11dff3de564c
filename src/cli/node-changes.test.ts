import { expect, test } from "bun:test";
import { forgetNode } from "./node-changes.ts";
import { testClusters } from "./test-support/cluster.ts";

const clusters = testClusters();

async function withNodes() {
  const cluster = clusters.fresh();
  await cluster.addPool("default");
  await cluster.addNode("node1");
  await cluster.addNode("node2", { epoch: 3 });
  await cluster.addBlock("10.244.0.0/26", "node1", { lent: { "10.244.0.9": "node2" } });
  await cluster.addBlock("10.244.0.64/26", "node2");
  return cluster;
}

test("a node that is forgotten is gone, with its heartbeat and all that it held; others stay", async () => {
  const cluster = await withNodes();
  let slept = 0;
  const sleep = async (milliseconds: number) => {
    slept += milliseconds;
  };
  const forgotten = await forgetNode(cluster, "node2", { patience: 50_000, sleep });
  expect(forgotten).toEqual({ node: "node2", epoch: 4, freed: ["10.244.0.64/26"] });
  expect(slept).toBe(50_000);
  expect((await cluster.nodes.get("node2"))?.value).toMatchObject({ gone: true, epoch: 4 });
  expect([...(await cluster.heartbeats.list()).keys()]).toEqual(["node1"]);
  const blocks = [...(await cluster.blocks.list()).values()].map(({ value }) => value);
  expect(blocks).toMatchObject([{ cidr: "10.244.0.0/26", node: "node1", lent: {}, offered: ["10.244.0.9"] }]);
  // Once more is no change.
  expect((await forgetNode(cluster, "node2", { patience: 0, sleep })).epoch).toBe(4);
});

test("one that writes a heartbeat meanwhile is alive, and stays", async () => {
  const cluster = await withNodes();
  const sleep = async () => {
    const sign = await cluster.heartbeats.get("node2");
    if (sign !== undefined) await cluster.heartbeats.update(sign, { ...sign.value, beats: 2 });
  };
  await expect(forgetNode(cluster, "node2", { patience: 1, sleep })).rejects.toThrow('Node "node2" is alive');
  expect((await cluster.nodes.get("node2"))?.value.epoch).toBe(3);
  expect((await cluster.blocks.list()).size).toBe(2);
});

test("one that nobody knows is refused with the names of those that are known", async () => {
  const cluster = await withNodes();
  const error = await forgetNode(cluster, "node9", { patience: 0, sleep: Bun.sleep }).catch((thrown) => thrown);
  expect(error).toMatchObject({ message: 'There is no node "node9"', details: "There are node1, node2." });
});
