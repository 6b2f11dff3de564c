/** Random histories in memory and in a directory; see history.ts for what happens in them. */

import { test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryStore } from "../../src/store/directory/directory-store.ts";
import type { MakeStore } from "./run.ts";
import { expectHistories, historiesIn, inMemory } from "./switches.ts";

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
  ["memory", inMemory, historiesIn("memory", 30)],
  ["directory", inDirectory, historiesIn("directory", 5)],
] as const;

for (const [kind, make, count] of kinds) {
  test.skipIf(count === 0)(
    `in ${count} random histories no address is held twice, and none is lost: ${kind}`,
    () => expectHistories(kind, count, make),
    36_000_000,
  );
}
