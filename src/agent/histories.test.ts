/** Random histories of three agents; see test-support/history.ts for what happens in them. On etcd: test/interop/. */

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryStore } from "../../test/support/memory-store.ts";
import { seededRandom } from "../../test/support/random.ts";
import { DirectoryStore } from "../store/directory/directory-store.ts";
import { type MakeStore, runHistories, USABLE } from "./test-support/history.ts";

/** Some in every run of the tests; `TENDRIL_TEST_HISTORIES=10000` for a change of what they are about. */
const HISTORIES = Number(process.env.TENDRIL_TEST_HISTORIES ?? 100);

const inMemory: MakeStore = async () => ({ store: new MemoryStore(), dispose: async () => {} });

const inDirectory: MakeStore = async () => {
  const folder = mkdtempSync(join(tmpdir(), "tendril-histories-"));
  const store = new DirectoryStore(folder);
  const dispose = async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  };
  return { store, dispose };
};

/** A directory is slower than the memory, and the scheduler orders what happens in it likewise. */
const kinds = [
  ["memory", inMemory, HISTORIES],
  ["a directory", inDirectory, Math.ceil(HISTORIES / 30)],
] as const;

for (const [kind, make, count] of kinds) {
  test(`in ${count} random histories in ${kind} no address is held twice, and none is lost`, async () => {
    const { seed } = seededRandom(`histories of three agents in ${kind}`);
    const happened = await runHistories(seed, count, make);
    console.log(JSON.stringify(happened));
    expect(happened.given).toBeGreaterThan(count * USABLE);
    // Of a few histories none may have what is rarer.
    if (count < 100) return;
    expect(happened.givenUp).toBeGreaterThan(count / 10);
    expect(happened.borrowed).toBeGreaterThan(count / 10);
    expect(happened.moved).toBeGreaterThan(count);
    expect(happened.handedOver).toBeGreaterThan(count / 2);
    expect(happened.ended).toBeGreaterThan(count / 20);
    expect(happened.forgotten).toBeGreaterThan(count / 50);
  }, 3_600_000);
}
