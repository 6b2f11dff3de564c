import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeConformance } from "../../../test/support/store-conformance.ts";
import { DirectoryStore } from "./directory-store.ts";

/** So few that a test can have the store forget. */
const journalBytes = 200;

storeConformance("directory", async () => {
  const top = mkdtempSync(join(tmpdir(), "tendril-store-"));
  const folder = join(top, "store");
  mkdirSync(folder);
  return {
    client: () => new DirectoryStore(folder, { journalBytes }),
    stop: async () => renameSync(folder, `${folder}.away`),
    start: async () => renameSync(`${folder}.away`, folder),
    async compact() {
      const store = new DirectoryStore(folder, { journalBytes });
      for (let i = 0; i < 40; i++) {
        const revision = await store.create("noise", "x", i);
        await store.delete("noise", "x", revision);
      }
      await store.close();
    },
    dispose: async () => rmSync(top, { recursive: true }),
  };
});
