/**
 * The addresses that a node may give, and who has them: a table in SQLite that outlasts the process.
 *
 * Times are milliseconds of the clock that the caller passes in. A released address cools down before it is given
 * again; of those that have, the one that was released first comes first.
 */

import { Database, type Statement } from "bun:sqlite";
import type { Family } from "../../core/ip.ts";

/** What becomes of an address: given, free for giving, or kept back from it. */
const FREE = 0;
const USED = 1;
const WITHHELD = 2;

/** The format of the table; a file of another one is not opened. */
const VERSION = 1;

/** Whose addresses are asked for. */
export interface AddressQuestion {
  readonly pool: string;
  readonly family: Family;
}

export interface BlockCount {
  readonly block: string;
  readonly pool: string;
  readonly family: Family;
  readonly free: number;
  readonly used: number;
  readonly withheld: number;
  /** Closed: none of its addresses is given any more. */
  readonly closed: boolean;
  /** When one of its addresses was last given or released; 0 for never. */
  readonly changed: number;
}

export interface GivenAddress {
  readonly address: string;
  readonly pool: string;
  readonly family: Family;
  readonly block: string;
}

export class AddressTable {
  readonly #database: Database;
  readonly #take: Statement<{ address: string; pool: string; family: Family; block: string }>;
  readonly #takeThis: Statement<{ address: string }>;
  readonly #release: Statement<GivenAddress>;
  readonly #of: Statement<GivenAddress>;

  /** Opens the table in a file, which is made where it is missing; `:memory:` for one that goes with the process. */
  constructor(path: string) {
    this.#database = new Database(path, { create: true, strict: true });
    this.#database.run("PRAGMA journal_mode = WAL");
    // A process that is killed loses nothing; after a power cut no pod is left to have an address.
    this.#database.run("PRAGMA synchronous = NORMAL");
    this.#migrate();
    this.#take = this.#database.query(`
      UPDATE addresses SET state = ${USED}, owner = $owner, changed = $now WHERE address = (
        SELECT address FROM addresses INDEXED BY by_turn
        WHERE pool = $pool AND family = $family AND state = ${FREE} AND leaving = 0 AND changed <= $cooledBefore
        ORDER BY changed, turn LIMIT 1)
      RETURNING address, pool, family, block`);
    this.#takeThis = this.#database.query(`
      UPDATE addresses SET state = ${USED}, owner = $owner, changed = $now
      WHERE address = $address AND (state = ${FREE} AND leaving = 0 OR state = ${WITHHELD} AND owner = $owner)
      RETURNING address`);
    this.#release = this.#database.query(`
      UPDATE addresses SET state = ${FREE}, owner = NULL, changed = $now WHERE owner = $owner AND state = ${USED}
      RETURNING address, pool, family, block`);
    this.#of = this.#database.query(
      `SELECT address, pool, family, block FROM addresses WHERE owner = $owner AND state = ${USED} ORDER BY family`,
    );
  }

  #migrate(): void {
    const { user_version } = this.#database.query("PRAGMA user_version").get() as { user_version: number };
    if (user_version === VERSION) return;
    if (user_version !== 0) throw new Error(`The table of addresses is of version ${user_version}, not ${VERSION}`);
    this.#database.transaction(() => {
      this.#database.run(`
        CREATE TABLE addresses (
          address TEXT PRIMARY KEY,
          block TEXT NOT NULL,
          pool TEXT NOT NULL,
          family INTEGER NOT NULL,
          turn INTEGER NOT NULL,
          state INTEGER NOT NULL DEFAULT ${FREE},
          leaving INTEGER NOT NULL DEFAULT 0,
          owner TEXT,
          changed INTEGER NOT NULL DEFAULT 0
        ) WITHOUT ROWID`);
      this.#database.run("CREATE INDEX by_turn ON addresses (pool, family, state, leaving, changed, turn)");
      this.#database.run("CREATE INDEX by_owner ON addresses (owner) WHERE owner IS NOT NULL");
      this.#database.run("CREATE INDEX by_block ON addresses (block)");
      this.#database.run(`PRAGMA user_version = ${VERSION}`);
    })();
  }

  /** Adds a block's addresses. Those that are there already, such as borrowed ones, become the block's, and stay in use. */
  addBlock(block: string, { pool, family }: AddressQuestion, addresses: readonly string[]): void {
    const insert = this.#database.query(`
      INSERT INTO addresses (address, block, pool, family, turn) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (address) DO UPDATE SET block = excluded.block, turn = excluded.turn, leaving = 0,
        state = CASE state WHEN ${USED} THEN ${USED} ELSE ${FREE} END
        WHERE block <> excluded.block`);
    this.#database.transaction(() => {
      for (const [turn, address] of addresses.entries()) insert.run(address, block, pool, family, turn);
    })();
  }

  /** Forgets a block with all that is known of its addresses. Returns the owners that had some. */
  removeBlock(block: string): string[] {
    const owners = this.#database
      .query<{ owner: string }, [string]>(`SELECT DISTINCT owner FROM addresses WHERE block = ? AND state = ${USED}`)
      .all(block);
    this.#database.query("DELETE FROM addresses WHERE block = ?").run(block);
    return owners.map(({ owner }) => owner);
  }

  /** Gives no address of a block any more, for good; false, and nothing done, when one is in use or kept back. */
  closeBlock(block: string): boolean {
    return this.#database.transaction(() => {
      const held = this.#database
        .query<{ n: number }, [string]>(`SELECT count(*) AS n FROM addresses WHERE block = ? AND state <> ${FREE}`)
        .get(block);
      if (held?.n !== 0) return false;
      this.#database.query("UPDATE addresses SET leaving = 1 WHERE block = ?").run(block);
      return true;
    })();
  }

  /**
   * Gives the address whose turn it is of those that were released before `cooledBefore` or never given, or undefined
   * when there is none.
   */
  take(question: AddressQuestion, owner: string, now: number, cooledBefore: number): GivenAddress | undefined {
    return this.#take.get({ ...question, owner, now, cooledBefore }) ?? undefined;
  }

  /** Gives a certain address, cooled down or not; false when it is not free. */
  takeThis(address: string, owner: string, now: number): boolean {
    return this.#takeThis.get({ address, owner, now }) !== null;
  }

  /** The addresses of an owner. */
  of(owner: string): GivenAddress[] {
    return this.#of.all({ owner });
  }

  /** Takes an owner's addresses back and returns them. */
  release(owner: string, now: number): GivenAddress[] {
    return this.#release.all({ owner, now });
  }

  /** Keeps up to so many free addresses of a block back, those that have been free for longest, and returns them. */
  withhold(block: string, most: number): string[] {
    return this.#database
      .query<{ address: string }, [string, number]>(`
        UPDATE addresses SET state = ${WITHHELD} WHERE address IN (
          SELECT address FROM addresses WHERE block = ? AND state = ${FREE} AND leaving = 0
          ORDER BY changed, turn LIMIT ?)
        RETURNING address`)
      .all(block, most)
      .map(({ address }) => address);
  }

  /** Gives back to giving what was kept back. */
  restore(address: string): void {
    this.#database
      .query(`UPDATE addresses SET state = ${FREE}, owner = NULL WHERE address = ? AND state = ${WITHHELD}`)
      .run(address);
  }

  /** The addresses of a block that are kept back. */
  withheld(block: string): string[] {
    return this.#database
      .query<{ address: string }, [string]>(
        `SELECT address FROM addresses WHERE block = ? AND state = ${WITHHELD} ORDER BY turn`,
      )
      .all(block)
      .map(({ address }) => address);
  }

  /** All blocks, with how their addresses stand. */
  blocks(): BlockCount[] {
    return this.#database
      .query<Omit<BlockCount, "closed"> & { leaving: number }, []>(`
        SELECT block, pool, family, max(changed) AS changed, max(leaving) AS leaving, sum(state = ${FREE} AND leaving = 0) AS free,
          sum(state = ${USED}) AS used, sum(state = ${WITHHELD}) AS withheld
        FROM addresses GROUP BY block ORDER BY block`)
      .all()
      .map(({ leaving, ...count }) => ({ ...count, closed: leaving === 1 }));
  }

  /** All owners. */
  owners(): string[] {
    return this.#database
      .query<{ owner: string }, []>(`SELECT DISTINCT owner FROM addresses WHERE state = ${USED} ORDER BY owner`)
      .all()
      .map(({ owner }) => owner);
  }

  close(): void {
    this.#database.close();
  }
}
