import { expect, test } from "bun:test";
import { MemoryStore } from "../../test/support/memory-store.ts";
import { clusterStore } from "../cluster/cluster-store.ts";
import { DOCUMENT_VERSION, poolDocuments } from "../core/cluster.ts";
import { AddressTable } from "../ipam/cluster/address-table.ts";
import { Addresses } from "./addresses.ts";
import { Membership } from "./membership.ts";

const SPARE = 2;

test("a node with few free addresses in each of its blocks lends what it has beyond its spare ones in all of them", async () => {
  const cluster = clusterStore(new MemoryStore(), (sentence) => {
    throw new Error(sentence);
  });
  const fields = { version: DOCUMENT_VERSION, cidrs: ["10.0.0.0/28"], blockBits: { ipv4: 30, ipv6: 122 } };
  await cluster.pools.create("default", poolDocuments.parse(fields));
  const join = async (node: string) => {
    const clock = () => 0;
    const membership = new Membership(cluster, { node, incarnation: node, clock, grace: 1000, patience: 1000 });
    const table = new AddressTable(":memory:");
    const options = { clock, coolDown: 10, spare: SPARE, idle: 100_000, lost: () => {} };
    const addresses = new Addresses(cluster, membership, table, options);
    await membership.join({ addresses: [], modes: [], labels: {} });
    await addresses.tend();
    return { addresses, table };
  };
  const [n1, n2] = [await join("n1"), await join("n2")];
  // All 14 usable ones of four blocks; then two of each block are free again.
  for (let i = 0; i < 14; i++) await n1.addresses.give(`pod-${i}`, { pool: "default" });
  for (const { block } of n1.table.blocks()) {
    for (const owner of n1.table.ownersIn(block).slice(0, 2)) n1.addresses.release(owner);
  }
  await n1.addresses.tend();
  const offered = [...(await cluster.blocks.list()).values()].flatMap(({ value }) => value.offered);
  expect(offered.length).toBe((8 - SPARE) / 2);
  await n1.addresses.tend();
  expect([...(await cluster.blocks.list()).values()].flatMap(({ value }) => value.offered)).toEqual(offered);
  const given: string[] = [];
  for (let i = 0; i < 3; i++) {
    given.push(...(await n2.addresses.give(`other-${i}`, { pool: "default" })).map(({ address }) => address));
  }
  expect(given.sort()).toEqual(offered.sort());
  for (const { table } of [n1, n2]) table.close();
});
