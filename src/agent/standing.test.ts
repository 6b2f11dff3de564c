import { expect, test } from "bun:test";
import { MemoryStore } from "../../test/support/memory-store.ts";
import { clusterStore } from "../cluster/cluster-store.ts";
import { logTo } from "../cluster/log.ts";
import { AddressTable } from "../ipam/cluster/address-table.ts";
import { Addresses } from "./addresses.ts";
import { Membership } from "./membership.ts";
import { Picture } from "./picture.ts";
import { Standing } from "./standing.ts";
import { StoreHealth } from "./store-health.ts";

test("a node's addresses are seen to when it has joined, and whenever somebody asks for it, although nothing has changed", async () => {
  const store = clusterStore(new MemoryStore(), (sentence) => {
    throw new Error(sentence);
  });
  const clock = () => 0;
  const membership = new Membership(store, { node: "n1", incarnation: "n1", clock, grace: 1000, patience: 1000 });
  const table = new AddressTable(":memory:");
  const addresses = new Addresses(store, membership, table, {
    clock,
    coolDown: 0,
    spare: 2,
    idle: 1000,
    lost: () => {},
  });
  const log = logTo(() => {}, "error");
  let tended = 0;
  const standing = new Standing({
    ...{ store, membership, addresses, table, log, heartbeat: 100_000, reclaim: undefined },
    picture: new Picture("n1"),
    health: new StoreHealth(log),
    fields: () => ({ addresses: [], modes: [], labels: {} }),
    joined: async () => {},
    tended: () => tended++,
  });
  const tendedTo = async (times: number) => {
    const deadline = performance.now() + 4000;
    while (tended < times && performance.now() < deadline) await Bun.sleep(1);
    await Bun.sleep(10);
    return tended;
  };
  const ending = new AbortController();
  try {
    standing.start(ending.signal);
    expect(await tendedTo(1)).toBe(1);
    standing.tendSoon();
    expect(await tendedTo(2)).toBe(2);
  } finally {
    ending.abort();
    table.close();
  }
});
