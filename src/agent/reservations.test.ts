/** What the random histories seldom come to: see histories.test.ts for the rest. */

import { afterEach, beforeEach, expect, test } from "bun:test";
import { MemoryStore } from "../../test/support/memory-store.ts";
import { type ClusterStore, clusterStore } from "../cluster/cluster-store.ts";
import { Reclaim } from "../cluster/reclaim.ts";
import { type BlockRecord, DOCUMENT_VERSION, poolDocuments } from "../core/cluster.ts";
import { AddressTable, type GivenAddress } from "../ipam/cluster/address-table.ts";
import { ConflictingWriteError, type Listing, type Revision, StoreUnavailableError } from "../store/store.ts";
import { Addresses } from "./addresses.ts";
import { Membership } from "./membership.ts";

const GRACE = 1000;

type Request = "update" | "list" | "delete";

/** A store in which a request about blocks can be on its way for long, or get no answer. */
class SlowStore extends MemoryStore {
  /** The next one of its kind waits. */
  slow: { readonly what: Request; readonly until: Promise<void>; readonly waits: () => void } | undefined;
  /** Set, the next update is carried out, and its answer lost. */
  isMute = false;
  /** Set, the next update fails, and is there to be carried out afterwards. */
  isLate = false;
  late: (() => Promise<Revision>) | undefined;

  override async update(kind: string, name: string, value: unknown, revision: Revision): Promise<Revision> {
    await this.#pass("update", kind);
    if (kind === "blocks" && this.isLate) {
      this.isLate = false;
      this.late = () => super.update(kind, name, value, revision);
      throw new StoreUnavailableError("no answer yet");
    }
    const updated = await super.update(kind, name, value, revision);
    if (kind !== "blocks" || !this.isMute) return updated;
    this.isMute = false;
    throw new StoreUnavailableError("no answer");
  }

  override async delete(kind: string, name: string, revision: Revision): Promise<void> {
    await this.#pass("delete", kind);
    return super.delete(kind, name, revision);
  }

  override async list(kind: string): Promise<Listing> {
    await this.#pass("list", kind);
    return super.list(kind);
  }

  /** Has the next one wait: `waiting` comes when it does, and `goOn` lets it. */
  slowDown(what: Request): { waiting: Promise<void>; goOn: () => void } {
    const { promise: until, resolve: goOn } = Promise.withResolvers<void>();
    const { promise: waiting, resolve: waits } = Promise.withResolvers<void>();
    this.slow = { what, until, waits };
    return { waiting, goOn };
  }

  async #pass(what: Request, kind: string): Promise<void> {
    const { slow } = this;
    if (kind !== "blocks" || slow?.what !== what) return;
    this.slow = undefined;
    slow.waits();
    await slow.until;
  }
}

let now = 0;
let store: SlowStore;
let cluster: ClusterStore;
const tables: AddressTable[] = [];
beforeEach(async () => {
  now = 1_000_000;
  store = new SlowStore();
  cluster = clusterStore(store, (sentence) => {
    throw new Error(sentence);
  });
  const fields = { version: DOCUMENT_VERSION, cidrs: ["10.0.0.0/28"], blockBits: { ipv4: 28, ipv6: 122 } };
  await cluster.pools.create("default", poolDocuments.parse(fields));
});
afterEach(() => {
  for (const table of tables.splice(0)) table.close();
});

function makeNode(name: string) {
  const clock = () => now;
  const membership = new Membership(cluster, { node: name, incarnation: name, clock, grace: GRACE, patience: GRACE });
  const table = new AddressTable(":memory:");
  tables.push(table);
  const lost: string[] = [];
  const addresses = new Addresses(cluster, membership, table, {
    clock,
    coolDown: 10,
    spare: 2,
    idle: 100_000,
    lost: (owner) => void lost.push(owner),
  });
  const join = async () => {
    await membership.join({ addresses: [], modes: [], labels: {} });
    await addresses.tend();
  };
  return { join, membership, addresses, lost, reclaim: new Reclaim(cluster, { clock, patience: GRACE }) };
}

async function block(): Promise<BlockRecord> {
  const [only] = (await cluster.blocks.list()).values();
  if (only === undefined) throw new Error("no block");
  return only.value;
}

const web = { pool: "default", reservation: { owner: "default/web-0", sticky: true } };

/** Lets the grace period pass while somebody watches: who has not looked in between does not know who was silent. */
async function watchGrace(reclaim: Reclaim): Promise<void> {
  for (let i = 0; i < 2; i++) {
    await reclaim.look();
    now += GRACE / 2;
  }
}

/** The block is n1's, and an address of it has moved to n2; then n2 is silent for long, and n1 is not. */
async function silentHolder() {
  const [n1, n2] = [makeNode("n1"), makeNode("n2")];
  await n1.join();
  await n2.join();
  const [given] = await n1.addresses.give("a", web);
  await n2.addresses.give("b", web).catch(() => {});
  await n1.addresses.tend();
  expect(n1.lost).toEqual(["a"]);
  expect(await n2.addresses.give("b", web)).toMatchObject([{ address: given?.address }]);
  const address = given?.address ?? "";
  expect((await block()).lent).toEqual({ [address]: "n2" });
  await watchGrace(n1.reclaim);
  await n1.membership.beat();
  return { n1, n2, address };
}

test("what a node that is given up had of a reservation is offered to nobody, and its owner comes up elsewhere", async () => {
  const { n1, address } = await silentHolder();
  expect(await n1.reclaim.look()).toEqual(["n2"]);
  const { lent, offered, reserved } = await block();
  expect({ lent, reserved }).toEqual({ lent: {}, reserved: { [address]: "default.web-0" } });
  expect(offered).not.toContain(address);
  expect(await n1.addresses.give("c", web)).toMatchObject([{ address }]);
});

test("a node that comes back keeps what it holds although somebody who had given it up is slow to free it", async () => {
  const { n1, n2, address } = await silentHolder();
  const { waiting, goOn } = store.slowDown("update");
  const freeing = n1.reclaim.look();
  await waiting;
  await n2.join();
  expect(await n2.addresses.give("b", web)).toMatchObject([{ address }]);
  goOn();
  expect(await freeing).toEqual(["n2"]);
  expect((await block()).lent).toEqual({ [address]: "n2" });
  expect(n2.lost).toEqual([]);
});

test("a node that comes back keeps its block although somebody who had given it up is slow to free it", async () => {
  const [n1, n2] = [makeNode("n1"), makeNode("n2")];
  await n1.join();
  await n2.join();
  const [given] = await n1.addresses.give("a", { pool: "default" });
  await watchGrace(n2.reclaim);
  await n2.membership.beat();
  const { waiting, goOn } = store.slowDown("delete");
  const freeing = n2.reclaim.look();
  await waiting;
  await n1.join();
  goOn();
  expect(await freeing).toEqual(["n1"]);
  expect(await block()).toMatchObject({ node: "n1", epoch: n1.membership.epoch });
  expect([n1.lost, await n1.addresses.give("a", { pool: "default" })]).toEqual([[], [given as GivenAddress]]);
});

test("an offer that its node has given up on is not made late", async () => {
  const n1 = makeNode("n1");
  await n1.join();
  await n1.addresses.give("a", { pool: "default" });
  store.isLate = true;
  await expect(n1.addresses.tend()).rejects.toBeInstanceOf(StoreUnavailableError);
  // There is room again, so nothing is offered any more.
  const pool = await cluster.pools.get("default");
  if (pool === undefined) throw new Error("no pool");
  await cluster.pools.update(pool, { ...pool.value, cidrs: ["10.0.0.0/27"] });
  await n1.addresses.tend();
  await expect(store.late?.()).rejects.toBeInstanceOf(ConflictingWriteError);
  expect((await block()).offered).toEqual([]);
});

test("a block whose node is given up is taken by another one, but for what others hold of it", async () => {
  const { n1, n2, address } = await silentHolder();
  const n3 = makeNode("n3");
  await n2.join();
  await n3.join();
  await n2.addresses.give("b", web);
  await watchGrace(n2.reclaim);
  for (const { membership } of [n2, n3]) await membership.beat();
  expect(await n2.reclaim.look()).toEqual(["n1"]);
  expect(await block()).toMatchObject({ node: "", lent: { [address]: "n2" } });
  const given: string[] = [];
  for (let i = 0; i < 13; i++) {
    given.push(...(await n3.addresses.give(`c${i}`, { pool: "default" })).map((each) => each.address));
  }
  expect([new Set(given).size, given.includes(address)]).toEqual([13, false]);
  await n1.join();
  expect(await n3.addresses.give("d", { pool: "default" }).catch((error: Error) => error.name)).toBe("NoneFreeError");
  expect((await block()).node).toBe("n3");
});

test("two owners that come up at the same time on two nodes do not share an address", async () => {
  const [n1, n2] = [makeNode("n1"), makeNode("n2")];
  await n1.join();
  await n2.join();
  const outcomes = await Promise.allSettled([n1.addresses.give("a", web), n2.addresses.give("b", web)]);
  expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBeLessThan(2);
  for (let i = 0; i < 3; i++) for (const node of [n1, n2]) await node.addresses.tend();
  const { node: wanted } = (await cluster.reservations.get("default.web-0"))?.value ?? {};
  const [given] = wanted === "n1" ? await n1.addresses.give("a", web) : await n2.addresses.give("b", web);
  expect((await block()).lent).toEqual({ [given?.address ?? ""]: wanted ?? "" });
});

test("a node that has its block again keeps what its pods have of it, although it is reserved by now", async () => {
  const [n1, n2] = [makeNode("n1"), makeNode("n2")];
  await n1.join();
  await n2.join();
  const [given] = await n1.addresses.give("a", { pool: "default" });
  const address = given?.address ?? "";
  await watchGrace(n2.reclaim);
  await n2.membership.beat();
  expect(await n2.reclaim.look()).toEqual(["n1"]);
  expect((await cluster.blocks.list()).size).toBe(0);
  const db = { pool: "default", reservation: { owner: "default/db-0", sticky: false } };
  await cluster.reservations.create("default.db-0", {
    version: DOCUMENT_VERSION,
    addresses: [address],
    owner: "default/db-0",
  });
  for (const { addresses } of [n1, n2]) addresses.reservations.note(await cluster.reservations.list());
  await n1.join();
  expect(n1.lost).toEqual([]);
  expect([(await block()).node, (await block()).reserved]).toEqual(["n1", {}]);
  expect(await n2.addresses.give("b", db).catch((error: Error) => error.name)).toBe("AddressMovesError");
  n1.addresses.release("a");
  await n1.addresses.tend();
  expect((await block()).reserved).toEqual({ [address]: "default.db-0" });
  expect(await n2.addresses.give("b", db)).toMatchObject([{ address }]);
  for (let i = 0; i < 13; i++) await n1.addresses.give(`c${i}`, { pool: "default" });
  const error = await n1.addresses.give("d", { pool: "default" }).catch((thrown: Error) => thrown.name);
  expect(error).toBe("NoneFreeError");
});

/**
 * The node n1 has a block of which it holds an address for web-0, and n2 one for db-0. Then n1 is silent, while a claim
 * of it is on its way, and is given up: the block is nobody's, and web-0 may come up elsewhere.
 */
async function formerHolder() {
  const [n1, n2] = [makeNode("n1"), makeNode("n2")];
  await n1.join();
  await n2.join();
  const [held] = await n1.addresses.give("a", web);
  const db = { pool: "default", reservation: { owner: "default/db-0", sticky: true } };
  await n1.addresses.give("b", db);
  n1.addresses.release("b");
  await n2.addresses.give("b", db).catch(() => {});
  await n1.addresses.tend();
  await n2.addresses.give("b", db);
  const plain = (await n1.addresses.give("p", { pool: "default" }))[0]?.address ?? "";
  for (let i = 0; i < 11; i++) await n1.addresses.give(`c${i}`, { pool: "default" });
  const { waiting, goOn } = store.slowDown("list");
  const claim = n1.addresses.give("d", { pool: "default" }).catch((error: Error) => error.name);
  await waiting;
  await watchGrace(n2.reclaim);
  await n2.membership.beat();
  expect(await n2.reclaim.look()).toEqual(["n1"]);
  expect((await block()).node).toBe("");
  return { n1, n2, address: held?.address ?? "", plain, claim, goOn };
}

test("a node that takes its former block over has its pods lose what it held apart of it", async () => {
  const { n1, n2, address, claim, goOn } = await formerHolder();
  goOn();
  expect(await claim).toBe("TryAgainError");
  expect([(await block()).node, n1.lost.includes("a")]).toEqual(["n1", true]);
  await n1.join();
  expect(await n2.addresses.give("w", web)).toMatchObject([{ address }]);
  expect((await block()).lent[address]).toBe("n2");
});

test("a node that does not hear that it has taken its former block over does not keep what others have of it", async () => {
  const { n1, n2, address, plain, claim, goOn } = await formerHolder();
  store.isMute = true;
  goOn();
  expect(await claim).toBe("StoreUnavailableError");
  const [document] = (await cluster.blocks.list()).values();
  if (document === undefined) throw new Error("no block");
  // What another node that had the block in between, and is given up by now, may have left.
  const reserved = { ...document.value.reserved, [plain]: "default.other" };
  await cluster.blocks.update(document, { ...document.value, reserved });
  await n1.join();
  expect(n1.lost.sort()).toEqual(["a", "p"]);
  expect(await n2.addresses.give("w", web)).toMatchObject([{ address }]);
});
