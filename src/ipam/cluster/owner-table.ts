/** The owners of a node's addresses, beside these in one database, so that it outlasts the process. */

import type { Database, Statement } from "bun:sqlite";
import type { OwnerRecord } from "./owner.ts";

const FIELDS = "owner, network, containerId, ifname, netns, netnsId, bootId, podNamespace, podName, since";

export class OwnerTable {
  readonly #database: Database;
  readonly #put: Statement;
  readonly #remove: Statement;

  constructor(database: Database) {
    this.#database = database;
    this.#put = database.query(`
      INSERT OR REPLACE INTO owners (${FIELDS})
      VALUES ($owner, $network, $containerId, $ifname, $netns, $netnsId, $bootId, $podNamespace, $podName, $since)`);
    this.#remove = database.query("DELETE FROM owners WHERE owner = $owner");
  }

  /** Notes an owner, in the place of what was known of it. */
  put(record: OwnerRecord): void {
    this.#put.run({ ...record });
  }

  remove(owner: string): void {
    this.#remove.run({ owner });
  }

  get(owner: string): OwnerRecord | undefined {
    return (
      this.#database.query<OwnerRecord, [string]>(`SELECT ${FIELDS} FROM owners WHERE owner = ?`).get(owner) ??
      undefined
    );
  }

  /** All of them, or those of one network. */
  list(network?: string): OwnerRecord[] {
    const where = network === undefined ? "" : "WHERE network = ?";
    const query = this.#database.query<OwnerRecord, string[]>(`SELECT ${FIELDS} FROM owners ${where} ORDER BY owner`);
    return query.all(...(network === undefined ? [] : [network]));
  }
}
