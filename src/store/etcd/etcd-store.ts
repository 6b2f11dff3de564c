/**
 * The store in etcd: a key for each document, `<prefix>/<kind>/<name>`, whose value is the document's JSON.
 *
 * Revisions are etcd's own (`mod_revision` of a key, the header's of a list), sessions its leases.
 */

import {
  type Change,
  ConflictingWriteError,
  checkName,
  type Entry,
  type Listing,
  type Revision,
  type Session,
  type Store,
} from "../store.ts";
import { EtcdClient, type EtcdOptions } from "./client.ts";
import { openEtcdSession } from "./session.ts";
import { watchKeys } from "./watch.ts";

/** A key with its value as the API has it: bytes in base64, 64-bit numbers as text. */
export interface KeyValue {
  readonly key: string;
  readonly value?: string;
  readonly mod_revision?: string;
}

export interface EtcdStoreOptions extends EtcdOptions {
  /** Of all keys, without a slash at its end; `/tendril` unless given. */
  readonly prefix?: string;
}

/** How many documents are listed in one request. */
const PAGE = 1000;

interface RangeAnswer {
  readonly header: { readonly revision: string };
  readonly kvs?: readonly KeyValue[];
  readonly more?: boolean;
}

interface TransactionAnswer {
  readonly header: { readonly revision: string };
  readonly succeeded?: boolean;
}

export class EtcdStore implements Store {
  readonly #client: EtcdClient;
  readonly #prefix: string;

  constructor(options: EtcdStoreOptions) {
    this.#client = new EtcdClient(options);
    this.#prefix = options.prefix ?? "/tendril";
  }

  async get(kind: string, name: string): Promise<Entry | undefined> {
    const { kvs } = await this.#client.call<RangeAnswer>("kv/range", { key: base64(this.#key(kind, name)) });
    return kvs?.[0] && entryOf(kind, kvs[0]);
  }

  async list(kind: string): Promise<Listing> {
    const end = base64(rangeEnd(this.#folder(kind)));
    const entries: Entry[] = [];
    let from = base64(this.#folder(kind));
    let revision: string | undefined;
    for (;;) {
      const request = { key: from, range_end: end, limit: PAGE, ...(revision && { revision }) };
      const { header, kvs = [], more } = await this.#client.call<RangeAnswer>("kv/range", request);
      // All pages are of the first one's moment.
      revision ??= header.revision;
      entries.push(...kvs.map((pair) => entryOf(kind, pair)));
      const last = kvs.at(-1);
      if (!more || last === undefined) return { entries, revision };
      from = base64(`${text(last.key)}\0`);
    }
  }

  async *watch(kind: string, after: Revision, signal: AbortSignal): AsyncIterable<Change> {
    const folder = this.#folder(kind);
    const range = { key: base64(folder), range_end: base64(rangeEnd(folder)) };
    for await (const { type, kv } of watchKeys(this.#client, range, after, signal)) {
      if (type !== "DELETE") yield { type: "put", entry: entryOf(kind, kv) };
      else yield { type: "delete", kind, name: nameOf(kv), revision: kv.mod_revision ?? "" };
    }
  }

  create(kind: string, name: string, value: unknown, session?: Session): Promise<Revision> {
    const put = { value: base64(JSON.stringify(value)), ...(session && { lease: session.id }) };
    return this.#change("create", kind, name, "0", { request_put: put });
  }

  update(kind: string, name: string, value: unknown, revision: Revision): Promise<Revision> {
    const put = { value: base64(JSON.stringify(value)), ignore_lease: true };
    return this.#change("update", kind, name, revision, { request_put: put });
  }

  async delete(kind: string, name: string, revision: Revision): Promise<void> {
    await this.#change("delete", kind, name, revision, { request_delete_range: {} });
  }

  openSession(ttl: number): Promise<Session> {
    return openEtcdSession(this.#client, ttl);
  }

  async close(): Promise<void> {
    this.#client.close();
  }

  /** Changes a key that is still at a revision; at `0` it is not there. */
  async #change(verb: string, kind: string, name: string, revision: Revision, operation: object): Promise<Revision> {
    const key = base64(this.#key(kind, name));
    const success = Object.entries(operation).map(([type, fields]) => ({ [type]: { key, ...fields } }));
    const compare = [{ key, target: "MOD", result: "EQUAL", mod_revision: revision }];
    const { succeeded, header } = await this.#client.call<TransactionAnswer>("kv/txn", { compare, success });
    if (!succeeded) throw new ConflictingWriteError(verb, kind, name);
    return header.revision;
  }

  #key(kind: string, name: string): string {
    checkName(kind, name);
    return `${this.#prefix}/${kind}/${name}`;
  }

  #folder(kind: string): string {
    checkName(kind);
    return `${this.#prefix}/${kind}/`;
  }
}

/** The first key after all that begin so. */
function rangeEnd(folder: string): string {
  return `${folder.slice(0, -1)}0`;
}

function entryOf(kind: string, pair: KeyValue): Entry {
  const { value = "", mod_revision: revision = "0" } = pair;
  return { kind, name: nameOf(pair), value: JSON.parse(text(value)), revision };
}

function nameOf({ key }: KeyValue): string {
  const path = text(key);
  return path.slice(path.lastIndexOf("/") + 1);
}

function base64(value: string): string {
  return Buffer.from(value).toString("base64");
}

function text(value: string): string {
  return Buffer.from(value, "base64").toString();
}
