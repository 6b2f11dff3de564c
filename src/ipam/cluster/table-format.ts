/** The format of a node's database of addresses, and how an older one becomes it. */

import type { Database } from "bun:sqlite";

/** What becomes of an address: given, free for giving, or kept back from it. */
export const FREE = 0;
export const USED = 1;
export const WITHHELD = 2;

/** What each version adds to the one before. */
const VERSIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE addresses (
      address TEXT PRIMARY KEY,
      block TEXT NOT NULL,
      pool TEXT NOT NULL,
      family INTEGER NOT NULL,
      turn INTEGER NOT NULL,
      state INTEGER NOT NULL DEFAULT ${FREE},
      leaving INTEGER NOT NULL DEFAULT 0,
      owner TEXT,
      changed INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID`,
    "CREATE INDEX by_turn ON addresses (pool, family, state, leaving, changed, turn)",
    "CREATE INDEX by_owner ON addresses (owner) WHERE owner IS NOT NULL",
    "CREATE INDEX by_block ON addresses (block)",
  ],
  [
    `CREATE TABLE owners (
      owner TEXT PRIMARY KEY,
      network TEXT NOT NULL,
      containerId TEXT NOT NULL,
      ifname TEXT NOT NULL,
      netns TEXT,
      netnsId TEXT,
      bootId TEXT NOT NULL,
      podNamespace TEXT,
      podName TEXT,
      since REAL NOT NULL
    ) WITHOUT ROWID`,
    "CREATE INDEX by_network ON owners (network)",
  ],
];

/** Makes the tables, or brings those of an older version up to this one. Throws for those of a newer one. */
export function migrate(database: Database): void {
  const { user_version: version } = database.query("PRAGMA user_version").get() as { user_version: number };
  if (version > VERSIONS.length) {
    throw new Error(`The table of addresses is of version ${version}, and this program knows ${VERSIONS.length}`);
  }
  database.transaction(() => {
    for (const statements of VERSIONS.slice(version)) for (const statement of statements) database.run(statement);
    database.run(`PRAGMA user_version = ${VERSIONS.length}`);
  })();
}
