/**
 * The addresses that a node may give, and who has them: a table in SQLite that outlasts the process.
 *
 * Times are milliseconds of the clock that the caller passes in. A released address cools down before it is given
 * again; of those that have, the one that was released first comes first.
 */

import { Database, type Statement } from "bun:sqlite";
import type { Family } from "../../core/ip.ts";
import { OwnerTable } from "./owner-table.ts";
import { FREE, migrate, USED, WITHHELD } from "./table-format.ts";

/** A time that comes after all releases, also after those that a clock which has been set back puts into the future. */
export const WARM = Number.MAX_SAFE_INTEGER;

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
  /** What is known of the owners. */
  readonly owners: OwnerTable;
  readonly #database: Database;
  readonly #take: Statement<{ address: string; pool: string; family: Family; block: string }>;
  readonly #takeThis: Statement<{ address: string }>;
  readonly #keepThis: Statement<{ address: string }>;
  readonly #release: Statement<GivenAddress>;
  readonly #of: Statement<GivenAddress>;
  readonly #changes: Statement<{ n: number }>;

  /** Opens the table in a file, which is made where it is missing; `:memory:` for one that goes with the process. */
  constructor(path: string) {
    this.#database = new Database(path, { create: true, strict: true });
    this.#database.run("PRAGMA journal_mode = WAL");
    // A process that is killed loses nothing; after a power cut no pod is left to have an address.
    this.#database.run("PRAGMA synchronous = NORMAL");
    // In pages: each time the disk is waited for, and with it whoever wants an address.
    this.#database.run("PRAGMA wal_autocheckpoint = 4000");
    migrate(this.#database);
    this.owners = new OwnerTable(this.#database);
    this.#take = this.#database.query(`
      UPDATE addresses SET state = ${USED}, owner = $owner, changed = $now WHERE address = (
        SELECT address FROM addresses INDEXED BY by_turn
        WHERE pool = $pool AND family = $family AND state = ${FREE} AND leaving = 0 AND changed <= $cooledBefore
        ORDER BY changed, turn LIMIT 1)
      RETURNING address, pool, family, block`);
    this.#takeThis = this.#database.query(`
      UPDATE addresses SET state = ${USED}, owner = $owner, changed = $now
      WHERE address = $address AND pool = $pool AND state = ${FREE} AND leaving = 0
      RETURNING address`);
    this.#keepThis = this.#database.query(`
      UPDATE addresses SET state = ${WITHHELD}
      WHERE address = $address AND block = $block AND state IN (${FREE}, ${WITHHELD}) AND leaving = 0
      RETURNING address`);
    this.#release = this.#database.query(`
      UPDATE addresses SET state = ${FREE}, owner = NULL, changed = $now WHERE owner = $owner AND state = ${USED}
      RETURNING address, pool, family, block`);
    this.#changes = this.#database.query("SELECT total_changes() AS n");
    this.#of = this.#database.query(
      `SELECT address, pool, family, block FROM addresses WHERE owner = $owner AND state = ${USED} ORDER BY family`,
    );
  }

  /**
   * Adds a block's addresses, some of which are kept back. Those that are there already, such as borrowed ones, become
   * the block's, and stay in use; those of a block that was closed and has come again are open.
   */
  addBlock(
    block: string,
    { pool, family }: AddressQuestion,
    addresses: readonly string[],
    isKept: (address: string) => boolean = () => false,
  ): void {
    const insert = this.#database.query(`
      INSERT INTO addresses (address, block, pool, family, turn, state) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (address) DO UPDATE SET block = excluded.block, pool = excluded.pool, turn = excluded.turn,
        leaving = 0, state = CASE state WHEN ${USED} THEN ${USED} ELSE excluded.state END
        WHERE block <> excluded.block OR leaving = 1`);
    this.#database.transaction(() => {
      for (const [turn, address] of addresses.entries()) {
        insert.run(address, block, pool, family, turn, isKept(address) ? WITHHELD : FREE);
      }
    })();
  }

  /** Moves the one address of a block to another one, where it is kept back. Returns the owner that had it. */
  moveBack(from: string, to: string, { pool, family }: AddressQuestion): string[] {
    return this.#database.transaction(() => {
      const owners = this.ownersIn(from);
      this.#database
        .query(`
          UPDATE addresses SET block = ?, pool = ?, family = ?, state = ${WITHHELD}, leaving = 0, owner = NULL
          WHERE block = ?`)
        .run(to, pool, family, from);
      return owners;
    })();
  }

  /** Keeps those of a block's addresses back that are in use. Returns the owners that had them. */
  withdraw(block: string, addresses: readonly string[]): string[] {
    return this.#database.transaction(() => {
      const meant = `block = ? AND state = ${USED} AND address IN (SELECT value FROM json_each(?))`;
      const parameters = [block, JSON.stringify(addresses)] as const;
      const taken = this.#database
        .query<{ owner: string }, [string, string]>(`SELECT owner FROM addresses WHERE ${meant}`)
        .all(...parameters);
      if (taken.length > 0)
        this.#database
          .query(`UPDATE addresses SET state = ${WITHHELD}, owner = NULL WHERE ${meant}`)
          .run(...parameters);
      return taken.map(({ owner }) => owner);
    })();
  }

  /** Forgets a block with all that is known of its addresses. Returns the owners that had some. */
  removeBlock(block: string): string[] {
    const owners = this.ownersIn(block);
    this.#database.query("DELETE FROM addresses WHERE block = ?").run(block);
    return owners;
  }

  /** The owners that have addresses of a block. */
  ownersIn(block: string): string[] {
    return this.#database
      .query<{ owner: string }, [string]>(`SELECT DISTINCT owner FROM addresses WHERE block = ? AND state = ${USED}`)
      .all(block)
      .map(({ owner }) => owner);
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

  /** Gives no free address of a block any more, nor those that its owners give back. */
  shutBlock(block: string): void {
    this.#database.query("UPDATE addresses SET leaving = 1 WHERE block = ?").run(block);
  }

  /** Gives its addresses again; false, and nothing done, for one of which no address is in use: it may be on its way out. */
  reopenBlock(block: string): boolean {
    return this.#database.transaction(() => {
      if (this.ownersIn(block).length === 0) return false;
      this.#database.query("UPDATE addresses SET leaving = 0 WHERE block = ?").run(block);
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

  /** Gives a certain address of a pool, cooled down or not; false when it is not free. */
  takeThis(address: string, pool: string, owner: string, now: number): boolean {
    return this.#takeThis.get({ address, pool, owner, now }) !== null;
  }

  /** Keeps a certain address of a block back; false when somebody has it. */
  keepThis(address: string, block: string): boolean {
    return this.#keepThis.get({ address, block }) !== null;
  }

  /** The address whose turn it is; nothing is given. */
  peek({ pool, family }: AddressQuestion): string | undefined {
    const found = this.#database
      .query<{ address: string }, [string, number]>(`
        SELECT address FROM addresses WHERE pool = ? AND family = ? AND state = ${FREE} AND leaving = 0
        ORDER BY changed, turn LIMIT 1`)
      .get(pool, family);
    return found?.address;
  }

  /** The free addresses of a block. */
  freeIn(block: string): string[] {
    return this.#database
      .query<{ address: string }, [string]>(
        `SELECT address FROM addresses WHERE block = ? AND state = ${FREE} AND leaving = 0 ORDER BY changed, turn`,
      )
      .all(block)
      .map(({ address }) => address);
  }

  /** Who has an address. */
  ownerOf(address: string): string | undefined {
    const found = this.#database
      .query<{ owner: string }, [string]>(`SELECT owner FROM addresses WHERE address = ? AND state = ${USED}`)
      .get(address);
    return found?.owner;
  }

  /** The addresses of an owner. */
  of(owner: string): GivenAddress[] {
    return this.#of.all({ owner });
  }

  /** Takes an owner's addresses back and returns them. */
  release(owner: string, now: number): GivenAddress[] {
    return this.#release.all({ owner, now });
  }

  /** Keeps one free address of the given blocks back, the one whose turn it is; undefined when there is none. */
  keepAny(blocks: readonly string[], cooledBefore: number): string | undefined {
    const found = this.#database
      .query<{ address: string }, [string, number]>(`
        UPDATE addresses SET state = ${WITHHELD} WHERE address = (
          SELECT address FROM addresses WHERE block IN (SELECT value FROM json_each(?)) AND state = ${FREE}
            AND leaving = 0 AND changed <= ?
          ORDER BY changed, turn LIMIT 1)
        RETURNING address`)
      .get(JSON.stringify(blocks), cooledBefore);
    return found?.address;
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

  /** Grows with every change that this process has made. */
  get changes(): number {
    return this.#changes.get()?.n ?? 0;
  }

  /** All that have addresses. */
  holders(): string[] {
    return this.#database
      .query<{ owner: string }, []>(`SELECT DISTINCT owner FROM addresses WHERE state = ${USED} ORDER BY owner`)
      .all()
      .map(({ owner }) => owner);
  }

  /** All addresses that are given, by owner. */
  given(): (GivenAddress & { readonly owner: string })[] {
    return this.#database
      .query<GivenAddress & { owner: string }, []>(`
        SELECT owner, address, pool, family, block FROM addresses WHERE state = ${USED} ORDER BY owner, family, address`)
      .all();
  }

  close(): void {
    this.#database.close();
  }
}
