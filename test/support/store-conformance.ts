/** What every kind of store must do, as tests that each of them runs. */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import {
  type Change,
  CompactedError,
  ConflictingWriteError,
  DocumentNameError,
  type Store,
  StoreUnavailableError,
} from "../../src/store/store.ts";
import { type Need, needs } from "./needs.ts";

/** A store's server, or what stands for it. */
export interface StoreServer {
  /** Another client of the same store. */
  client(): Store;
  /** Makes the store unreachable, and reachable again with all that it held. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Has it forget all changes up to now. */
  compact(): Promise<void>;
  dispose(): Promise<void>;
}

/** Registers the tests for one kind of store. */
export function storeConformance(kind: string, open: () => Promise<StoreServer>, ...list: readonly Need[]): void {
  const test = needs(...list);
  const isMet = list.every((need) => need() === undefined);

  describe(`a store of kind ${kind}`, () => {
    let server: StoreServer;
    let store: Store;
    let other: Store;
    beforeAll(async () => {
      if (!isMet) return;
      server = await open();
      store = server.client();
      other = server.client();
    });
    afterAll(async () => {
      if (!isMet) return;
      await store.close();
      await other.close();
      await server.dispose();
    });

    test("gives back what was created, and knows nothing else", async () => {
      const value = { version: 1, name: "ä", list: [1, { deep: null }], big: 2 ** 40 };
      const revision = await store.create("made", "one", value);
      expect(await other.get("made", "one")).toEqual({ kind: "made", name: "one", value, revision });
      expect(await other.get("made", "two")).toBeUndefined();
      expect(await other.get("none", "one")).toBeUndefined();
      expect((await other.list("none")).entries).toEqual([]);
    });

    test("changes and deletes a document only as it is now", async () => {
      const first = await store.create("cas", "x", 1);
      await refused(other.create("cas", "x", 2));
      const second = await other.update("cas", "x", 3, first);
      expect(second).not.toBe(first);
      await refused(store.update("cas", "x", 4, first));
      await refused(store.delete("cas", "x", first));
      expect(await store.get("cas", "x")).toMatchObject({ value: 3, revision: second });
      await store.delete("cas", "x", second);
      await refused(store.delete("cas", "x", second));
      await refused(store.update("cas", "x", 5, second));
      expect(await other.get("cas", "x")).toBeUndefined();
      const third = await store.create("cas", "x", 6);
      await refused(store.update("cas", "x", 7, second));
      expect(await other.get("cas", "x")).toMatchObject({ value: 6, revision: third });
    });

    test("lists one kind whole, by name", async () => {
      const names = Array.from({ length: 25 }, (_, i) => `n${String(i).padStart(2, "0")}`);
      for (const name of names.toReversed()) await store.create("listed", name, { name });
      await store.create("listedtoo", "other", 0);
      const { entries } = await other.list("listed");
      expect(entries.map(({ name }) => name)).toEqual(names);
      for (const entry of entries) expect(await other.get("listed", entry.name)).toEqual(entry);
    });

    test("refuses names that not every store could take, before anything is written", async () => {
      for (const name of ["", "Upper", "a/b", "-a", "a_b", "../a", "a".repeat(254)]) {
        await expect(store.create("named", name, 1)).rejects.toBeInstanceOf(DocumentNameError);
      }
      await expect(store.create("Named/x", "a", 1)).rejects.toBeInstanceOf(DocumentNameError);
      expect((await store.list("named")).entries).toEqual([]);
    });

    test("of many writers of one document one wins each round, and no write is lost", async () => {
      await store.create("counter", "n", 0);
      const clients = Array.from({ length: 4 }, () => server.client());
      let conflicts = 0;
      const count = async (client: Store) => {
        for (let done = 0; done < 10; ) {
          const now = await client.get("counter", "n");
          if (now === undefined) throw new Error("the counter is gone");
          try {
            await client.update("counter", "n", Number(now.value) + 1, now.revision);
            done++;
          } catch (error) {
            if (!(error instanceof ConflictingWriteError)) throw error;
            conflicts++;
          }
        }
      };
      await Promise.all(clients.map(count));
      for (const client of clients) await client.close();
      expect(await store.get("counter", "n")).toMatchObject({ value: 40 });
      expect(conflicts).toBeGreaterThan(0);
    });

    test("of many creators of one document one wins", async () => {
      const clients = Array.from({ length: 5 }, () => server.client());
      const outcomes = await Promise.allSettled(clients.map((client, i) => client.create("raced", "x", i)));
      for (const client of clients) await client.close();
      const won = outcomes.flatMap(({ status }, i) => (status === "fulfilled" ? [i] : []));
      expect(won).toHaveLength(1);
      expect(await store.get("raced", "x")).toMatchObject({ value: won[0] });
    });

    test("a watch tells all changes of its kind after a revision, by whomever, in order", async () => {
      await store.create("seen", "before", 0);
      const { revision } = await store.list("seen");
      const a = await other.create("seen", "a", 1);
      const watch = watching(store, "seen", revision);
      await watch.until(({ length }) => length === 1);
      await other.create("seenlater", "z", 1);
      const b = await store.create("seen", "b", 1);
      await watch.until(({ length }) => length === 2);
      const again = await other.update("seen", "a", 2, a);
      await watch.until(({ length }) => length === 3);
      await other.delete("seen", "b", b);
      await watch.until(({ length }) => length === 4);
      await watch.stop();
      expect(watch.changes.map(told)).toEqual(["put a 1", "put b 1", "put a 2", "delete b"]);
      expect(watch.changes[2]).toMatchObject({ entry: { revision: again } });
    });

    test("a watch goes on where another one ended", async () => {
      const { revision } = await store.list("resumed");
      const first = watching(store, "resumed", revision);
      await store.create("resumed", "a", 1);
      await first.until(({ length }) => length === 1);
      await first.stop();
      await store.create("resumed", "b", 1);
      const last = first.changes[0];
      const seen = last?.type === "put" ? last.entry.revision : "";
      const second = watching(other, "resumed", seen);
      await second.until(({ length }) => length === 1);
      await second.stop();
      expect(second.changes.map(told)).toEqual(["put b 1"]);
    });

    test("a watch whose changes are forgotten says so", async () => {
      const { revision } = await store.list("compacted");
      for (let i = 0; i < 5; i++) await store.create("compacted", `x${i}`, 1);
      await server.compact();
      const watch = watching(store, "compacted", revision);
      await expect(watch.ended).rejects.toBeInstanceOf(CompactedError);
      const fresh = await store.list("compacted");
      expect(fresh.entries).toHaveLength(5);
      const again = watching(store, "compacted", fresh.revision);
      await store.create("compacted", "y", 1);
      await again.until(({ length }) => length === 1);
      await again.stop();
    });

    test("documents of a session go when it is closed, and others stay", async () => {
      const session = await store.openSession(2000);
      const mine = await store.create("owned", "mine", 1, session);
      await store.create("owned", "free", 1);
      await store.update("owned", "mine", 2, mine);
      const { revision } = await other.list("owned");
      const watch = watching(other, "owned", revision);
      await session.close();
      await watch.until(({ length }) => length === 1);
      await watch.stop();
      expect(watch.changes.map(told)).toEqual(["delete mine"]);
      expect((await other.list("owned")).entries.map(({ name }) => name)).toEqual(["free"]);
    });

    test("documents of a session stay as long as its owner lives, and go when it dies", async () => {
      const owner = server.client();
      const session = await owner.openSession(1500);
      await owner.create("mortal", "x", 1, session);
      const { revision } = await other.list("mortal");
      const watch = watching(other, "mortal", revision);
      await Bun.sleep(4000);
      expect(watch.changes).toEqual([]);
      expect(await other.get("mortal", "x")).toBeDefined();
      // Without a word, as a process that is killed.
      await owner.close();
      await watch.until(({ length }) => length === 1, 15_000);
      await watch.stop();
      expect(watch.changes.map(told)).toEqual(["delete x"]);
      expect(await other.get("mortal", "x")).toBeUndefined();
    }, 30_000);

    test("a store that goes away says so, and a watch and a session outlast a short absence", async () => {
      const { revision } = await store.list("away");
      const watch = watching(store, "away", revision);
      const session = await store.openSession(20_000);
      await store.create("away", "a", 1, session);
      await watch.until(({ length }) => length === 1);
      await server.stop();
      await expect(other.get("away", "a")).rejects.toBeInstanceOf(StoreUnavailableError);
      await expect(other.create("away", "b", 1)).rejects.toBeInstanceOf(StoreUnavailableError);
      await server.start();
      expect(await other.get("away", "a")).toMatchObject({ value: 1 });
      await other.create("away", "c", 1);
      await watch.until(({ length }) => length === 2, 15_000);
      expect(session.lost.aborted).toBe(false);
      await watch.stop();
      expect(watch.changes.map(told)).toEqual(["put a 1", "put c 1"]);
      await session.close();
    }, 40_000);

    test("closing ends watches", async () => {
      const client = server.client();
      const { revision } = await client.list("closed");
      const watch = watching(client, "closed", revision);
      await client.close();
      await watch.ended;
    });
  });
}

async function refused(outcome: Promise<unknown>): Promise<void> {
  await expect(outcome).rejects.toBeInstanceOf(ConflictingWriteError);
}

function told(change: Change): string {
  return change.type === "put" ? `put ${change.entry.name} ${change.entry.value}` : `delete ${change.name}`;
}

/** Gathers what a watch tells. */
function watching(store: Store, kind: string, after: string) {
  const changes: Change[] = [];
  const abort = new AbortController();
  const gather = async () => {
    for await (const change of store.watch(kind, after, abort.signal)) changes.push(change);
  };
  const ended = gather();
  // Whoever waits for it hears of its failure.
  ended.catch(() => undefined);
  return {
    changes,
    ended,
    async until(enough: (changes: readonly Change[]) => boolean, patience = 5000): Promise<void> {
      const end = performance.now() + patience;
      while (!enough(changes)) {
        if (performance.now() > end) throw new Error(`The watch has told only ${JSON.stringify(changes.map(told))}`);
        await Bun.sleep(10);
      }
    },
    async stop(): Promise<void> {
      abort.abort();
      await ended;
    },
  };
}
