/** Addresses that pods ask for: kept for them on whichever node they run, for as long as they exist. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { MemoryStore } from "../../test/support/memory-store.ts";
import { type ClusterStore, clusterStore } from "../cluster/cluster-store.ts";
import { DOCUMENT_VERSION, poolDocuments, reservationDocuments } from "../core/cluster.ts";
import { AddressTable } from "../ipam/cluster/address-table.ts";
import { Addresses } from "./addresses.ts";
import { Membership } from "./membership.ts";

let now = 0;
let cluster: ClusterStore;
/** The pods that are gone. */
let gone: Set<string>;
const tables: AddressTable[] = [];
beforeEach(async () => {
  now = 1_000_000;
  gone = new Set();
  cluster = clusterStore(new MemoryStore(), (sentence) => {
    throw new Error(sentence);
  });
  const fields = { version: DOCUMENT_VERSION, cidrs: ["10.0.0.0/24"], blockBits: { ipv4: 28, ipv6: 122 } };
  await cluster.pools.create("default", poolDocuments.parse({ ...fields, excluded: ["10.0.0.200/32"] }));
});
afterEach(() => {
  for (const table of tables.splice(0)) table.close();
});

async function makeNode(name: string) {
  const clock = () => now;
  const membership = new Membership(cluster, { node: name, incarnation: name, clock, grace: 1000, patience: 1000 });
  const table = new AddressTable(":memory:");
  tables.push(table);
  const addresses = new Addresses(cluster, membership, table, {
    ...{ clock, coolDown: 10, spare: 2, idle: 100_000, lost: () => {} },
    isGone: async (pod) => gone.has(pod),
  });
  await membership.join({ addresses: [], modes: [], labels: {} });
  await addresses.tend();
  return addresses;
}

/** What a pod asks for. */
function asking(owner: string, ...fixed: string[]) {
  return { pool: "default", reservation: { owner, sticky: false, fixed } };
}

/** What an ADD of the pod is given, or the name of the error. */
async function given(node: Addresses, owner: string, request: ReturnType<typeof asking>): Promise<string> {
  try {
    return (await node.give(owner, request)).map(({ address }) => address).join();
  } catch (error) {
    return (error as Error).name;
  }
}

/** Another address of the same block. */
function next(address: string): string {
  return address.replace(/\d+$/, (last) => String(Number(last) ^ 1));
}

/** The nodes do what each does from time to time, until nothing is left to be done. */
async function tend(...nodes: readonly Addresses[]): Promise<void> {
  for (let i = 0; i < 3; i++) for (const node of nodes) await node.tend();
}

describe("an address that a pod asks for", () => {
  test("is given on whichever node the pod runs, also out of another one's block", async () => {
    const [n1, n2] = [await makeNode("n1"), await makeNode("n2")];
    const [chosen = ""] = (await n1.give("a", { pool: "default" })).map(({ address }) => address);
    const wanted = next(chosen);
    const request = asking("default/web", wanted);
    expect(await given(n2, "b", request)).toBe("AddressMovesError");
    await tend(n1, n2);
    expect(await given(n2, "b", request)).toBe(wanted);
    n2.release("b");
    await given(n1, "c", request);
    await tend(n2, n1);
    expect(await given(n1, "c", request)).toBe(wanted);
  });

  test("is nobody else's while the pod exists, and another pod's when it is gone", async () => {
    const [n1, n2] = [await makeNode("n1"), await makeNode("n2")];
    expect(await given(n1, "a", asking("default/old", "10.0.0.9"))).toBe("10.0.0.9");
    n1.release("a");
    expect(await given(n2, "b", asking("default/new", "10.0.0.9"))).toBe("TryAgainError");
    gone.add("default/old");
    await given(n2, "b", asking("default/new", "10.0.0.9"));
    await tend(n1, n2);
    expect(await given(n2, "b", asking("default/new", "10.0.0.9"))).toBe("10.0.0.9");
    expect([...(await cluster.reservations.list()).keys()]).toEqual(["default.new"]);
  });

  test("is not taken from who has it by chance", async () => {
    const n1 = await makeNode("n1");
    const [chosen = ""] = (await n1.give("a", { pool: "default" })).map(({ address }) => address);
    expect(await given(n1, "b", asking("default/web", chosen))).toBe("TryAgainError");
  });

  test("is another one when the pod has come back and asks for another one, or for none", async () => {
    const n1 = await makeNode("n1");
    for (const [owner, address] of [
      ["a", "10.0.0.9"],
      ["b", "10.0.0.10"],
    ] as const) {
      expect(await given(n1, owner, asking("default/web-0", address))).toBe(address);
      n1.release(owner);
      await tend(n1);
    }
    expect(await given(n1, "c", asking("default/web-0"))).not.toBe("10.0.0.10");
    expect((await cluster.reservations.list()).size).toBe(0);
  });

  test("ends with the pod, on the node where it ran", async () => {
    const [n1, n2] = [await makeNode("n1"), await makeNode("n2")];
    await given(n1, "a", asking("default/web", "10.0.0.9"));
    await tend(n1, n2);
    await n2.reservations.unfix("default/web", true);
    expect((await cluster.reservations.list()).size).toBe(1);
    expect(n1.reservations.isFixed("default/web")).toBe(true);
    await n1.reservations.unfix("default/web", true);
    expect((await cluster.reservations.list()).size).toBe(0);
  });

  test("has to be one that a pod can have", async () => {
    const n1 = await makeNode("n1");
    expect(await given(n1, "a", asking("default/web", "10.9.9.9"))).toBe("AddressError");
    expect(await given(n1, "a", asking("default/web", "10.0.0.200"))).toBe("AddressError");
    expect((await cluster.reservations.list()).size).toBe(0);
  });

  test("is what the operator has decided, where that has decided", async () => {
    const n1 = await makeNode("n1");
    const record = { version: DOCUMENT_VERSION, addresses: ["10.0.0.7"], owner: "default/web" };
    await cluster.reservations.create("default.web", reservationDocuments.parse(record));
    await tend(n1);
    expect(await given(n1, "a", asking("default/web", "10.0.0.9"))).toBe("AddressError");
    expect(await given(n1, "a", asking("default/other", "10.0.0.7"))).toBe("TryAgainError");
    expect(await given(n1, "a", asking("default/web", "10.0.0.7"))).toBe("10.0.0.7");
    await n1.reservations.unfix("default/web");
    expect((await cluster.reservations.list()).size).toBe(1);
  });
});
