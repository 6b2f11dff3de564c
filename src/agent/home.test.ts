/** Addresses out of a node's own part of a pool, as Kubernetes gives it by podCIDRs. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { MemoryStore } from "../../test/support/memory-store.ts";
import { type ClusterStore, clusterStore } from "../cluster/cluster-store.ts";
import { giveUpNode, Reclaim } from "../cluster/reclaim.ts";
import { type BlockRecord, DOCUMENT_VERSION, poolDocuments, reservationDocuments } from "../core/cluster.ts";
import { hasAddress } from "../core/networks.ts";
import { AddressTable } from "../ipam/cluster/address-table.ts";
import { Addresses } from "./addresses.ts";
import { Membership } from "./membership.ts";

let now = 0;
let cluster: ClusterStore;
const tables: AddressTable[] = [];
beforeEach(async () => {
  now = 1_000_000;
  cluster = clusterStore(new MemoryStore(), (sentence) => {
    throw new Error(sentence);
  });
  const fields = { version: DOCUMENT_VERSION, cidrs: ["10.0.0.0/24", "fd00::/56"], blockBits: { ipv4: 28, ipv6: 122 } };
  await cluster.pools.create("default", poolDocuments.parse(fields));
});
afterEach(() => {
  for (const table of tables.splice(0)) table.close();
});

const REQUEST = { pool: "default" };

interface TestNode {
  readonly addresses: Addresses;
  readonly table: AddressTable;
  /** The node's networks from now on. */
  move(...networks: readonly string[]): void;
}

async function makeNode(name: string, ...own: readonly string[]): Promise<TestNode> {
  let networks: readonly string[] | undefined = own.length === 0 ? undefined : own;
  const clock = () => now;
  const membership = new Membership(cluster, { node: name, incarnation: name, clock, grace: 1e9, patience: 1e9 });
  const table = new AddressTable(":memory:");
  tables.push(table);
  const addresses = new Addresses(cluster, membership, table, {
    ...{ clock, coolDown: 10, spare: 4, idle: 1000, lost: () => {} },
    territory: (pool) => (pool === "default" ? { networks } : undefined),
  });
  await membership.join({ addresses: [], modes: [], labels: {} });
  await addresses.tend();
  return {
    addresses,
    table,
    move(...other) {
      networks = other;
      addresses.keepHome();
    },
  };
}

async function given({ addresses }: TestNode, owner: string): Promise<string[]> {
  return (await addresses.give(owner, REQUEST)).map(({ address }) => address);
}

/** What an ADD of a pod answers. */
async function answer({ addresses }: TestNode, owner: string, pod: string, ...fixed: string[]): Promise<string> {
  try {
    const reservation = { owner: pod, sticky: fixed.length === 0, fixed };
    return (await addresses.give(owner, { ...REQUEST, reservation })).map(({ address }) => address).join();
  } catch (error) {
    return (error as Error).message;
  }
}

/** The blocks that somebody has, as `NODE CIDR`. */
async function blocks(): Promise<string[]> {
  return [...(await cluster.blocks.list()).values()].map(({ value }) => `${value.node} ${value.cidr}`).sort();
}

async function tend(...nodes: readonly TestNode[]): Promise<void> {
  for (let i = 0; i < 3; i++) for (const { addresses } of nodes) await addresses.tend();
}

describe("a node that is given a part of the pool", () => {
  test("claims of it alone, until it is used up, and borrows nothing", async () => {
    const [n1, n2] = [
      await makeNode("n1", "10.0.0.16/28", "fd00:0:0:1::/64"),
      await makeNode("n2", "10.0.0.32/28", "fd00:0:0:2::/64"),
    ];
    const all: string[] = [];
    for (let i = 0; i < 16; i++) all.push(...(await given(n1, `a${i}`)));
    expect(new Set(all).size).toBe(32);
    expect(all.every((address) => hasAddress(["10.0.0.16/28", "fd00:0:0:1::/64"], address))).toBe(true);
    await given(n2, "b");
    await tend(n1, n2);
    expect(await blocks()).toEqual([
      "n1 10.0.0.16/28",
      "n1 fd00:0:0:1::/122",
      "n2 10.0.0.32/28",
      "n2 fd00:0:0:2::/122",
    ]);
    expect((await cluster.blocks.list()).values().every(({ value }) => value.offered.length === 0)).toBe(true);
    await expect(given(n1, "one more")).rejects.toThrow(
      'The podCIDR 10.0.0.16/28 of node "n1" has no free address left',
    );
    expect(n1.addresses.problem("default")?.remedy).toContain("--node-cidr-mask-size");
    expect(n2.addresses.problem("default")).toBeUndefined();
  });

  test("waits until it has been given one, and gives nothing meanwhile", async () => {
    const n1 = await makeNode("n1");
    await expect(given(n1, "a")).rejects.toThrow('Node "n1" has not been given a part of pool "default" yet');
    await tend(n1);
    expect(await blocks()).toEqual([]);
    n1.move("10.0.0.64/26", "fd00::/64");
    const [first] = await given(n1, "a");
    expect(hasAddress(["10.0.0.64/26"], first ?? "")).toBe(true);
  });

  test("of which others have a block waits until that has been given back, and says whose it is", async () => {
    const n1 = await makeNode("n1", "10.0.0.16/28", "fd00:0:0:1::/64");
    const [kept = ""] = await given(n1, "a");
    n1.move("10.0.0.48/28", "fd00:0:0:3::/64");
    const n2 = await makeNode("n2", "10.0.0.16/28", "fd00:0:0:1::/64");
    // The pod goes on; no other one gets an address of what is not the node's any more.
    const [next = ""] = await given(n1, "b");
    expect(hasAddress(["10.0.0.48/28"], next)).toBe(true);
    await tend(n1, n2);
    expect(n1.addresses.release("none")).toEqual([]);
    await expect(given(n2, "c")).rejects.toThrow('The podCIDR 10.0.0.16/28 of node "n2" is still in the hands of "n1"');
    expect(n2.addresses.problem("default")?.sentence).toContain('"n1"');
    expect(await blocks()).toContain("n1 10.0.0.16/28");

    n1.addresses.release("a");
    await tend(n1, n2);
    expect((await blocks()).filter((block) => block.endsWith("10.0.0.16/28"))).toEqual([]);
    now += 100;
    const [address = ""] = await given(n2, "c");
    expect(hasAddress(["10.0.0.16/28"], address)).toBe(true);
    expect(kept).not.toBe("");
    expect(n2.addresses.problem("default")).toBeUndefined();
  });

  test("gives of it again when it has come back while pods had addresses of it", async () => {
    const n1 = await makeNode("n1", "10.0.0.16/28", "fd00:0:0:1::/64");
    await given(n1, "a");
    n1.move("10.0.0.48/28", "fd00:0:0:3::/64");
    await tend(n1);
    n1.move("10.0.0.16/28", "fd00:0:0:1::/64");
    const [next = ""] = await given(n1, "b");
    expect(hasAddress(["10.0.0.16/28"], next)).toBe(true);
    await tend(n1);
    // What it had in between goes back.
    expect(await blocks()).toEqual(["n1 10.0.0.16/28", "n1 fd00:0:0:1::/122"]);
  });

  test("takes over what a node that is gone has left of it", async () => {
    const n1 = await makeNode("n1", "10.0.0.16/28", "fd00:0:0:1::/64");
    await given(n1, "a");
    const n2 = await makeNode("n2", "10.0.0.16/28", "fd00:0:0:1::/64");
    await expect(given(n2, "b")).rejects.toThrow("still in the hands");
    const known = await cluster.nodes.get("n1");
    if (known !== undefined) await giveUpNode(cluster, known, await cluster.heartbeats.get("n1"));
    await new Reclaim(cluster, { clock: () => now, patience: 1e9 }).look();
    await tend(n2);
    expect(await given(n2, "b")).toHaveLength(2);
  });
});

describe("addresses that are kept for a pod", () => {
  const OUTSIDE =
    'Address 10.0.0.18 is not of node "n2", which gives those of its podCIDRs alone (10.0.0.32/28, fd00:0:0:2::/64)';

  async function twoNodes(): Promise<[TestNode, TestNode]> {
    return [
      await makeNode("n1", "10.0.0.16/28", "fd00:0:0:1::/64"),
      await makeNode("n2", "10.0.0.32/28", "fd00:0:0:2::/64"),
    ];
  }

  test("are given on their node, and refused on another one, on which nothing is left of the wish", async () => {
    const [n1, n2] = await twoNodes();
    expect(await answer(n2, "b", "default/web", "10.0.0.18")).toBe(OUTSIDE);
    expect((await cluster.reservations.list()).size).toBe(0);
    expect(await answer(n1, "a", "default/web", "10.0.0.18")).toStartWith("10.0.0.18,fd00:0:0:1:");
    await expect(n2.addresses.give("c", { ...REQUEST, addresses: ["10.0.0.18"] })).rejects.toThrow(OUTSIDE);
  });

  test("and that follow a pod elsewhere, too, stay where they are: its node does not hand them over", async () => {
    const [n1, n2] = await twoNodes();
    const sticky = await answer(n1, "a", "default/db-0");
    expect(sticky).toStartWith("10.0.0.");
    const refusal = await answer(n2, "b", "default/db-0");
    expect(refusal).toContain('is not of node "n2"');
    expect((await cluster.reservations.get("default.db-0"))?.value.node).toBe("n1");
    await tend(n1, n2);
    expect(
      n1.table
        .of("a")
        .map(({ address }) => address)
        .join(),
    ).toBe(sticky);
    n1.addresses.release("a");
    expect(await answer(n1, "c", "default/db-0")).toBe(sticky);
  });

  test("do not hold up a block that is another node's by now", async () => {
    const n1 = await makeNode("n1", "10.0.0.16/28", "fd00:0:0:1::/64");
    await given(n1, "a");
    const kept = { version: DOCUMENT_VERSION, addresses: ["10.0.0.20"], owner: "default/kept" };
    await cluster.reservations.create("default.kept", reservationDocuments.parse(kept));
    await tend(n1);
    const reservedIn = async () => {
      const found = [...(await cluster.blocks.list()).values()].find(({ value }) => value.cidr === "10.0.0.16/28");
      return (found?.value as BlockRecord | undefined)?.reserved;
    };
    expect(await reservedIn()).toEqual({ "10.0.0.20": "default.kept" });
    n1.addresses.release("a");
    n1.move("10.0.0.48/28", "fd00:0:0:3::/64");
    const n2 = await makeNode("n2", "10.0.0.16/28", "fd00:0:0:1::/64");
    await tend(n1, n2);
    for (let i = 0; i < 15; i++) expect(await given(n2, `b${i}`)).not.toContain("10.0.0.20");
    expect(await reservedIn()).toEqual({ "10.0.0.20": "default.kept" });
    expect(await answer(n2, "c", "default/kept", "10.0.0.20")).toStartWith("10.0.0.20");
  });
});

test("pools that nodes share are claimed of everywhere as before", async () => {
  const fields = { version: DOCUMENT_VERSION, cidrs: ["10.9.0.0/28"], blockBits: { ipv4: 29, ipv6: 122 } };
  await cluster.pools.create("shared", poolDocuments.parse(fields));
  const n1 = await makeNode("n1", "10.0.0.16/28", "fd00:0:0:1::/64");
  const [address = ""] = (await n1.addresses.give("a", { pool: "shared" })).map((each) => each.address);
  expect(hasAddress(["10.9.0.0/28"], address)).toBe(true);
});
