import { expect, test } from "bun:test";
import { MemoryStore } from "../../test/support/memory-store.ts";
import { clusterStore } from "../cluster/cluster-store.ts";
import { DOCUMENT_VERSION, poolDocuments } from "../core/cluster.ts";
import { AddressTable } from "../ipam/cluster/address-table.ts";
import { Addresses } from "./addresses.ts";
import { NoneFreeError } from "./holdings.ts";
import { Membership } from "./membership.ts";

const SPARE = 2;

/** A cluster with a pool, and what makes nodes of it. */
async function clusterWith(cidr: string, blockBits: number, spare: number) {
  const cluster = clusterStore(new MemoryStore(), (sentence) => {
    throw new Error(sentence);
  });
  const fields = { version: DOCUMENT_VERSION, cidrs: [cidr], blockBits: { ipv4: blockBits, ipv6: 122 } };
  await cluster.pools.create("default", poolDocuments.parse(fields));
  const join = async (node: string) => {
    const clock = () => 0;
    const membership = new Membership(cluster, { node, incarnation: node, clock, grace: 1000, patience: 1000 });
    const table = new AddressTable(":memory:");
    const options = { clock, coolDown: 10, spare, idle: 100_000, lost: () => {} };
    const addresses = new Addresses(cluster, membership, table, options);
    await membership.join({ addresses: [], modes: [], labels: {} });
    await addresses.tend();
    return { addresses, table };
  };
  const offered = async () => [...(await cluster.blocks.list()).values()].flatMap(({ value }) => value.offered);
  return { cluster, join, offered };
}

test("a node with few free addresses in each of its blocks lends what it has beyond its spare ones in all of them", async () => {
  const { join, offered } = await clusterWith("10.0.0.0/28", 30, SPARE);
  const [n1, n2] = [await join("n1"), await join("n2")];
  // All 14 usable ones of four blocks; then two of each block are free again.
  for (let i = 0; i < 14; i++) await n1.addresses.give(`pod-${i}`, { pool: "default" });
  for (const { block } of n1.table.blocks()) {
    for (const owner of n1.table.ownersIn(block).slice(0, 2)) n1.addresses.release(owner);
  }
  await n1.addresses.tend();
  const addresses = await offered();
  expect(addresses.length).toBe((8 - SPARE) / 2);
  await n1.addresses.tend();
  expect(await offered()).toEqual(addresses);
  const given: string[] = [];
  for (let i = 0; i < 3; i++) {
    given.push(...(await n2.addresses.give(`other-${i}`, { pool: "default" })).map(({ address }) => address));
  }
  expect(given.sort()).toEqual(addresses.sort());
  for (const { table } of [n1, n2]) table.close();
});

for (const [cidr, blockBits, usable] of [
  ["10.0.0.0/28", 28, 14],
  ["10.0.0.0/29", 30, 6],
  ["10.0.0.0/30", 30, 2],
] as const) {
  test(`of ${usable} addresses in blocks of /${blockBits} whoever of five nodes asks gets one, as long as there are any`, async () => {
    const { join } = await clusterWith(cidr, blockBits, 8);
    const nodes: Awaited<ReturnType<typeof join>>[] = [];
    for (let i = 0; i < 5; i++) nodes.push(await join(`n${i}`));
    const given: string[] = [];
    for (let i = 0; i < usable; i++) {
      const node = nodes[i % nodes.length] as (typeof nodes)[number];
      given.push(...(await node.addresses.give(`pod-${i}`, { pool: "default" })).map(({ address }) => address));
      // Once more, for what the others offer by then.
      for (const { addresses } of [...nodes, ...nodes]) await addresses.tend();
      const isUsedUp = given.length === usable;
      for (const { addresses } of nodes) expect(addresses.problem("default") === undefined).toBe(!isUsedUp);
    }
    expect(new Set(given).size).toBe(usable);
    const [first] = nodes;
    await expect(first?.addresses.give("one-more", { pool: "default" })).rejects.toBeInstanceOf(NoneFreeError);
    for (const { table } of nodes) table.close();
  });
}

test("what a node has borrowed and does not need goes back at once when nobody offers anything, else when it has cooled", async () => {
  const { join, offered } = await clusterWith("10.0.0.0/29", 29, 8);
  const [n1, n2, n3] = [await join("n1"), await join("n2"), await join("n3")];
  await n1.addresses.give("one", { pool: "default" });
  for (let i = 0; i < 5; i++) {
    await n1.addresses.tend();
    await n2.addresses.give(`two-${i}`, { pool: "default" });
  }
  await expect(n3.addresses.give("three", { pool: "default" })).rejects.toBeInstanceOf(NoneFreeError);
  const [former] = n2.addresses.release("two-0");
  n2.addresses.release("two-1");
  await n2.addresses.tend();
  expect(await offered()).toEqual([former?.address as string]);
  expect(await n3.addresses.give("three", { pool: "default" })).toMatchObject([{ address: former?.address }]);
  await n2.addresses.tend();
  expect(await offered()).toHaveLength(1);
  for (const { table } of [n1, n2, n3]) table.close();
});

test("a borrowed address that a pod is given while it is about to go back stays", async () => {
  const { cluster, join, offered } = await clusterWith("10.0.0.0/30", 30, 8);
  const [n1, n2] = [await join("n1"), await join("n2")];
  await n1.addresses.give("one", { pool: "default" });
  await n1.addresses.tend();
  const [borrowed] = await n2.addresses.give("two", { pool: "default" });
  n2.addresses.release("two");
  const list = cluster.blocks.list.bind(cluster.blocks);
  const given: unknown[] = [];
  let times = 0;
  Object.assign(cluster.blocks, {
    list: async () => {
      const blocks = await list();
      // First table and store are brought together; then nobody uses the address, and it is asked whether others may want it.
      if (++times === 2) given.push(n2.table.take({ pool: "default", family: 4 }, "late", 0, 0));
      return blocks;
    },
  });
  await n2.addresses.tend();
  expect(given).toEqual([borrowed]);
  expect(await offered()).toEqual([]);
  expect(n2.table.of("late")).toEqual([borrowed as NonNullable<typeof borrowed>]);
  for (const { table } of [n1, n2]) table.close();
});
