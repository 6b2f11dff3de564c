/**
 * The store in Kubernetes: an object of the API for each document. Revisions are resource versions.
 *
 * A change is a JSON patch of the document alone, so labels, owners and the status that others have written stay.
 */

import { sleep } from "../sleep.ts";
import {
  type Change,
  CompactedError,
  ConflictingWriteError,
  checkName,
  DocumentNameError,
  type Entry,
  type Listing,
  type Revision,
  type Session,
  type Store,
  StoreUnavailableError,
} from "../store.ts";
import { ApiClient, ApiError, type ApiRequest, type ClientOptions, JSON_PATCH } from "./client.ts";
import { type ApiObject, clusterResources, NAMESPACE, type Resource } from "./resources.ts";
import { LeaseSessions, orMissing, SESSION_LABEL } from "./session.ts";
import { ObjectWatch } from "./watch.ts";

export interface KubernetesStoreOptions extends ClientOptions {
  /** Of Leases; `tendril-system` unless given. */
  readonly namespace?: string;
  /** Other resources than the cluster's documents, by the kind of theirs. */
  readonly resources?: Readonly<Record<string, Resource>>;
}

/** How many objects are listed in one request. */
const PAGE = 1000;

/** Milliseconds within which all who have to list anew do so. */
const RELIST_SPREAD = 5000;

interface ObjectList {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly ApiObject[];
}

/** The revisions of a kind's documents by their names. */
type Revisions = Map<string, Revision>;

export class KubernetesStore implements Store {
  readonly #client: ApiClient;
  readonly #resources: Readonly<Record<string, Resource>>;
  readonly #sessions: LeaseSessions;
  /** What was last listed of a kind, for a watch that goes on from there. */
  readonly #listed = new Map<string, { readonly revision: Revision; readonly documents: Revisions }>();

  constructor({ namespace = NAMESPACE, resources, ...client }: KubernetesStoreOptions) {
    this.#client = new ApiClient(client);
    this.#resources = resources ?? clusterResources(namespace);
    this.#sessions = new LeaseSessions(this.#client, namespace, (kind, id) => this.#removeOf(kind, id));
  }

  async get(kind: string, name: string): Promise<Entry | undefined> {
    const resource = this.#resource(kind, name);
    const object = await orMissing(this.#call<ApiObject>({ path: `${resource.path}/${name}` }));
    return object === undefined || !isDocument(resource, object) ? undefined : this.#entry(kind, object);
  }

  async list(kind: string): Promise<Listing> {
    const { entries, revision } = await this.#list(kind);
    const documents: Revisions = new Map(entries.map((entry) => [entry.name, entry.revision]));
    this.#listed.set(kind, { revision, documents });
    return { entries, revision };
  }

  /**
   * A server that has been started again remembers nothing from before, so a watch that was open then lists the kind
   * and tells what is another than it has told, as far as it knows what that is.
   */
  async *watch(kind: string, after: Revision, signal: AbortSignal): AsyncIterable<Change> {
    const { path, labels } = this.#resource(kind);
    const ended = AbortSignal.any([signal, this.#client.closed]);
    const known = this.#takeListed(kind, after);
    for (let from = after; !ended.aborted; ) {
      const watch = new ObjectWatch(this.#client, path, selecting(labels), from);
      try {
        for await (const { type, object } of watch.events(signal)) {
          const change = type === "DELETED" ? this.#deleted(kind, object) : this.#put(kind, object);
          note(known, change);
          yield change;
        }
        return;
      } catch (error) {
        if (!(error instanceof CompactedError && watch.wasOpen) || known === undefined) throw error;
      }
      const now = await this.#listAgain(kind, ended);
      if (now === undefined) return;
      for (const change of differences(kind, known, now)) {
        note(known, change);
        yield change;
      }
      from = now.revision;
    }
  }

  async create(kind: string, name: string, value: unknown, session?: Session): Promise<Revision> {
    const { path, labels, objectOf } = this.#resource(kind, name);
    const object = objectOf(value);
    const marks = { ...labels, ...(session && { [SESSION_LABEL]: session.id }) };
    const body = { ...object, metadata: { ...object.metadata, name, labels: marks } };
    if (session !== undefined) this.#sessions.note(kind, session.id);
    const revision = await this.#change("create", kind, name, { method: "POST", path, body });
    if (session !== undefined && !(await this.#sessions.isAlive(session.id))) {
      await this.#removeOf(kind, session.id);
      throw new StoreUnavailableError(`Cannot create "${kind}/${name}": the session of its owner has ended`);
    }
    return revision;
  }

  update(kind: string, name: string, value: unknown, revision: Revision): Promise<Revision> {
    const { path, patchOf } = this.#resource(kind, name);
    const body = [{ op: "replace", path: "/metadata/resourceVersion", value: revision }, ...patchOf(value)];
    const request = { method: "PATCH", path: `${path}/${name}`, body, contentType: JSON_PATCH } as const;
    return this.#change("update", kind, name, request);
  }

  async delete(kind: string, name: string, revision: Revision): Promise<void> {
    const { path } = this.#resource(kind, name);
    const body = { preconditions: { resourceVersion: revision } };
    await this.#change("delete", kind, name, { method: "DELETE", path: `${path}/${name}`, body });
  }

  openSession(ttl: number): Promise<Session> {
    return this.#sessions.open(ttl);
  }

  async close(): Promise<void> {
    this.#client.close();
  }

  /** One request. A path that is not served at all is a store that is not there yet. */
  async #call<T>(request: ApiRequest): Promise<T> {
    try {
      return await this.#client.call<T>(request);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404 && error.reason !== "NotFound")) throw error;
      throw new StoreUnavailableError(`The API server does not know ${request.path}`, {
        cause: error,
        details: "Its custom resources are installed with Tendril's manifest: tendril install --print.",
      });
    }
  }

  async #change(verb: string, kind: string, name: string, request: ApiRequest): Promise<Revision> {
    try {
      const { metadata } = await this.#call<ApiObject>(request);
      return metadata.resourceVersion ?? "";
    } catch (error) {
      const isConflict =
        error instanceof ApiError && (error.status === 409 || (error.status === 404 && verb !== "create"));
      throw isConflict ? new ConflictingWriteError(verb, kind, name) : error;
    }
  }

  /** All pages are of the first one's moment. When the server has forgotten that, it begins again. */
  async #list(kind: string): Promise<Listing> {
    const { path, labels } = this.#resource(kind);
    const entries: Entry[] = [];
    let next: string | undefined;
    for (;;) {
      const query = { ...selecting(labels), limit: String(PAGE), ...(next !== undefined && { continue: next }) };
      try {
        const { items, metadata } = await this.#call<ObjectList>({ path, query });
        entries.push(...items.map((object) => this.#entry(kind, object)));
        next = metadata.continue || undefined;
        if (next === undefined) return { entries, revision: metadata.resourceVersion };
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 410) || next === undefined) throw error;
        entries.length = 0;
        next = undefined;
      }
    }
  }

  /** The kind as it is now, as soon as a server tells it; undefined when the signal comes first. */
  async #listAgain(kind: string, ended: AbortSignal): Promise<Listing | undefined> {
    for (;;) {
      // Whoever watched here is in the same position.
      await sleep(Math.random() * RELIST_SPREAD, ended);
      if (ended.aborted) return undefined;
      try {
        return await this.#list(kind);
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error;
      }
    }
  }

  #takeListed(kind: string, after: Revision): Revisions | undefined {
    const listed = this.#listed.get(kind);
    if (listed?.revision !== after) return undefined;
    this.#listed.delete(kind);
    return listed.documents;
  }

  async #removeOf(kind: string, session: string): Promise<void> {
    const { path, labels } = this.#resource(kind);
    const { items } = await this.#call<ObjectList>({ path, query: selecting({ ...labels, [SESSION_LABEL]: session }) });
    for (const { metadata } of items) {
      await orMissing(this.#call({ method: "DELETE", path: `${path}/${metadata.name}` }));
    }
  }

  #put(kind: string, object: ApiObject): Change {
    return { type: "put", entry: this.#entry(kind, object) };
  }

  #deleted(kind: string, object: ApiObject): Change {
    return { type: "delete", kind, name: this.#nameOf(kind, object), revision: object.metadata.resourceVersion ?? "" };
  }

  #nameOf(kind: string, object: ApiObject): string {
    return this.#resource(kind).nameOf?.(object) ?? object.metadata.name;
  }

  #entry(kind: string, object: ApiObject): Entry {
    const { resourceVersion: revision = "", labels } = object.metadata;
    const session = labels?.[SESSION_LABEL];
    if (session !== undefined) this.#sessions.note(kind, session);
    return { kind, name: this.#nameOf(kind, object), value: this.#resource(kind).valueOf(object), revision };
  }

  #resource(kind: string, name?: string): Resource {
    checkName(kind, name);
    const resource = this.#resources[kind];
    if (resource === undefined) throw new DocumentNameError(`No resource of the API holds documents of kind "${kind}"`);
    return resource;
  }
}

function selecting(labels: Resource["labels"] = {}): Record<string, string> {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? {} : { labelSelector: pairs.join() };
}

function isDocument({ labels = {} }: Resource, { metadata }: ApiObject): boolean {
  return Object.entries(labels).every(([name, value]) => metadata.labels?.[name] === value);
}

function note(known: Revisions | undefined, change: Change): void {
  if (change.type === "put") known?.set(change.entry.name, change.entry.revision);
  else known?.delete(change.name);
}

/** What has come to be of the documents that were known. */
function differences(kind: string, known: Revisions, { entries, revision }: Listing): Change[] {
  const names = new Set(entries.map(({ name }) => name));
  const gone = [...known.keys()].filter((name) => !names.has(name));
  return [
    ...entries
      .filter((entry) => known.get(entry.name) !== entry.revision)
      .map((entry): Change => ({ type: "put", entry })),
    ...gone.map((name): Change => ({ type: "delete", kind, name, revision })),
  ];
}
