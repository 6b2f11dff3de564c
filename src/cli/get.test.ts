import { describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { get, type Question } from "./get.ts";
import { testClusters } from "./test-support/cluster.ts";

const clusters = testClusters();

async function lines(question: Question): Promise<string[]> {
  const printed: string[] = [];
  await get(question, new AbortController().signal, (line) => printed.push(line));
  return printed;
}

async function filled() {
  const cluster = clusters.fresh();
  await cluster.addPool("default", { cidrs: ["10.244.0.0/16", "fd44::/116"], masquerade: false });
  await cluster.addNode("node1", { addresses: ["192.0.2.1/24"], modes: ["vxlan"], mtu: 1450, epoch: 2 });
  await cluster.addNode("node2", { gone: true });
  const heartbeat = await cluster.heartbeats.get("node2");
  if (heartbeat !== undefined) await cluster.heartbeats.delete(heartbeat);
  await cluster.addBlock("10.244.0.0/26", "node1", { offered: ["10.244.0.8"], lent: { "10.244.0.9": "node2" } });
  await cluster.addBlock("fd44::/122", "node1");
  await cluster.reservations.create("a.b", { version: 1, owner: "a/b", addresses: ["10.244.7.7"] });
  return cluster;
}

describe("get prints", () => {
  test("tables in columns", async () => {
    const { url: store } = await filled();
    expect(await lines({ kind: "nodes", store, output: "table" })).toEqual([
      "NAME   ADDRESSES     MODES  MTU   EPOCH  STATE   HEARTBEAT",
      "node1  192.0.2.1/24  vxlan  1450  2      member  #1",
      "node2  -             -      -     1      gone    -",
    ]);
    expect(await lines({ kind: "pools", store, output: "table" })).toEqual([
      "NAME     CIDRS                     BLOCKS    CLAIMED      MASQUERADE",
      "default  10.244.0.0/16,fd44::/116  /26,/122  1/1024,1/64  no",
    ]);
    expect(await lines({ kind: "blocks", store, output: "wide", name: "10.244.0.0-26" })).toEqual([
      "CIDR           POOL     NODE   OFFERED  LENT  RESERVED  NAME           EPOCH  LENT-TO           RESERVED-FOR",
      "10.244.0.0/26  default  node1  1        1     0         10.244.0.0-26  1      10.244.0.9=node2  -",
    ]);
    expect(await lines({ kind: "reservations", store, output: "table" })).toEqual([
      "OWNER  ADDRESSES   NODE  EXPIRES",
      "a/b    10.244.7.7  -     never",
    ]);
  });

  test("documents for programs", async () => {
    const { url: store } = await filled();
    const [json = ""] = await lines({ kind: "blocks", store, output: "json" });
    expect(JSON.parse(json)).toMatchObject([{ name: "10.244.0.0-26", node: "node1" }, { name: "fd44---122" }]);
    const [yaml = ""] = await lines({ kind: "nodes", name: "node1", store, output: "yaml" });
    expect(parse(yaml)).toMatchObject({ name: "node1", mtu: 1450 });
  });

  test("what there is when it is asked for something else", async () => {
    const { url: store } = await filled();
    const error = await lines({ kind: "nodes", name: "node9", store, output: "table" }).catch((thrown) => thrown);
    expect(error).toMatchObject({ message: 'There is no "node9" among the nodes', details: "There are node1, node2." });
    const { url: empty } = clusters.fresh();
    expect(await lines({ kind: "pools", store: empty, output: "table" })).toEqual(["There are no pools."]);
    expect(await lines({ kind: "pools", store: empty, output: "json" })).toEqual(["[]"]);
  });

  test("changes as they come", async () => {
    const cluster = await filled();
    const end = new AbortController();
    const printed: string[] = [];
    const wake: (() => void)[] = [];
    const done = get({ kind: "blocks", store: cluster.url, output: "json", watch: true }, end.signal, (line) => {
      printed.push(line);
      for (const waiting of wake.splice(0)) waiting();
    });
    const until = async (count: number) => {
      while (printed.length < count) await new Promise<void>((resolve) => wake.push(resolve));
    };
    await until(2);
    await cluster.addBlock("10.244.0.64/26", "node2");
    await until(3);
    const block = await cluster.blocks.get("10.244.0.64-26");
    if (block !== undefined) await cluster.blocks.delete(block);
    await until(4);
    end.abort();
    await done;
    expect(printed.slice(2).map((line) => JSON.parse(line))).toMatchObject([
      { type: "put", name: "10.244.0.64-26", node: "node2" },
      { type: "delete", name: "10.244.0.64-26" },
    ]);
  });
});
