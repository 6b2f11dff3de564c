/** Random histories in memory and in a directory; see history.ts for what happens in them. */

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryStore } from "../../src/store/directory/directory-store.ts";
import { type MakeStore, runHistories } from "./run.ts";
import { expectHistories, historiesIn, inMemory } from "./switches.ts";
import { DUAL_STACK, ONE_POOL, OVERLAPPING, TWO_POOLS, USABLE } from "./world.ts";

const inDirectory: MakeStore = async () => {
  const folder = mkdtempSync(join(tmpdir(), "tendril-histories-"));
  const store = new DirectoryStore(folder);
  const dispose = async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  };
  return { store, dispose };
};

const kinds = [
  ["memory", inMemory, historiesIn("memory", 30), ONE_POOL],
  ["dual-stack", inMemory, historiesIn("dual-stack", 10), DUAL_STACK],
  ["two-pools", inMemory, historiesIn("two-pools", 10), TWO_POOLS],
  ["overlapping", inMemory, historiesIn("overlapping", 10), OVERLAPPING],
  ["directory", inDirectory, historiesIn("directory", 5), ONE_POOL],
] as const;

/** Each has found a fault that was in the code, or that has been put into it. */
const FOUND = [
  [4, "a join that was cut off made a member"],
  [18, "a node that was forgotten began in a former epoch of its process"],
  [742, "a node took blocks of an earlier epoch for confirmed"],
  [979, "what was held apart was not written again in a new epoch"],
  [1036, "a borrowed address went back without being closed"],
] as const;

for (const [seed, fault] of FOUND) {
  test(`history ${seed}, in which once ${fault}`, async () => {
    const { happened } = await runHistories({ seed, count: 1, make: inMemory });
    expect(happened.given).toBeGreaterThan(USABLE);
  }, 60_000);
}

for (const [kind, make, count, pools] of kinds) {
  test.skipIf(count === 0)(
    `in ${count} random histories no address is held twice, and none is lost: ${kind}`,
    () => expectHistories(kind, count, make, { pools }),
    36_000_000,
  );
}
