import { expect, test } from "bun:test";
import { MemoryStore } from "../../test/support/memory-store.ts";
import { Election, NotLeaderError } from "./election.ts";
import { fencedStore } from "./fenced-store.ts";

const DURATION = 15;

function stage() {
  const store = new MemoryStore();
  const time = { now: 0 };
  const candidate = (identity: string, clock = () => time.now) =>
    new Election({ store, name: "tendril-controller", identity, duration: DURATION, clock });
  return { store, time, candidate };
}

test("the first leads, and goes on to as long as it renews", async () => {
  const { time, candidate } = stage();
  const [a, b] = [candidate("a"), candidate("b")];
  expect([await a.campaign(), await b.campaign()]).toEqual([true, false]);
  for (; time.now < 100_000; time.now += 2000) {
    expect([await a.campaign(), await b.campaign()]).toEqual([true, false]);
    expect(b.holder).toBe("a");
  }
});

test("one that is silent has stopped before another begins", async () => {
  const { time, candidate } = stage();
  const [a, b] = [candidate("a"), candidate("b")];
  await a.campaign();
  let stopped: number | undefined;
  for (; !(await b.campaign()); time.now += 500) if (!a.isLeader()) stopped ??= time.now;
  expect(stopped).toBe(10_000);
  expect(time.now).toBe(15_000);
  expect([a.isLeader(), b.isLeader()]).toEqual([false, true]);
  // It comes back as one of those who wait.
  expect(await a.campaign()).toBe(false);
  expect(a.holder).toBe("b");
});

test("one that gives it up is followed at once", async () => {
  const { candidate, store } = stage();
  const [a, b] = [candidate("a"), candidate("b")];
  await a.campaign();
  await b.campaign();
  await a.resign();
  expect(a.isLeader()).toBe(false);
  expect(await b.campaign()).toBe(true);
  expect((await store.get("leaders", "tendril-controller"))?.value).toMatchObject({ leaseTransitions: 1 });
  // What somebody else holds it leaves alone.
  await a.resign();
  expect(await b.campaign()).toBe(true);
});

test("of two that see a free Lease at the same time one leads", async () => {
  const { store, time, candidate } = stage();
  const all = Array.from({ length: 5 }, (_, i) => candidate(`c${i}`));
  const won = await Promise.all(all.map((one) => one.campaign()));
  expect(won.filter(Boolean)).toHaveLength(1);
  await Promise.all(all.map((one) => one.campaign()));
  time.now += 20_000;
  // The holder, too, is in time as long as nobody else was.
  await store.get("leaders", "tendril-controller");
  expect((await Promise.all(all.map((one) => one.campaign()))).filter(Boolean)).toHaveLength(1);
});

test("a renewal that took too long is none", async () => {
  const { store, time } = stage();
  const slow = {
    ...{
      get: store.get.bind(store),
      list: store.list.bind(store),
      watch: store.watch,
      delete: store.delete.bind(store),
    },
    ...{ openSession: store.openSession, close: store.close, update: store.update.bind(store) },
    create(kind: string, name: string, value: unknown) {
      time.now += 11_000;
      return store.create(kind, name, value);
    },
  };
  const a = new Election({ store: slow, name: "c", identity: "a", duration: DURATION, clock: () => time.now });
  expect(await a.campaign()).toBe(false);
});

test("a leader that was paused past its Lease writes nothing", async () => {
  const { store, time, candidate } = stage();
  const [a, b] = [candidate("a"), candidate("b")];
  await a.campaign();
  const own = fencedStore(store, () => a.require());
  const revision = await own.create("pools", "p", { version: 1 });
  await b.campaign();
  time.now += 15_000;
  await expect(own.update("pools", "p", { version: 2 }, revision)).rejects.toBeInstanceOf(NotLeaderError);
  await expect(own.delete("pools", "p", revision)).rejects.toBeInstanceOf(NotLeaderError);
  await expect(own.create("pools", "q", {})).rejects.toBeInstanceOf(NotLeaderError);
  expect(await b.campaign()).toBe(true);
  // What it had sent before it was paused fails at the revision, once the other has written.
  const other = fencedStore(store, () => b.require());
  await other.update("pools", "p", { version: 3 }, revision);
  await expect(store.update("pools", "p", { version: 2 }, revision)).rejects.toThrow("somebody else was first");
  expect((await store.get("pools", "p"))?.value).toEqual({ version: 3 });
});
