/**
 * What is known of a collection's objects, followed as they change. A server that is away leaves it as it was.
 *
 * Of an object only what a follower makes of its metadata is kept, and no more of it is asked for: a pod is some
 * kilobytes, its metadata a tenth of that.
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
 */

import { CompactedError, StoreUnavailableError } from "../store.ts";
import { Backoff } from "./backoff.ts";
import { type ApiClient, ApiError } from "./client.ts";
import { type ApiObject, qualifiedName } from "./resources.ts";
import { ObjectWatch } from "./watch.ts";

const OF_META = ";g=meta.k8s.io;v=v1";
const METADATA = `application/json;as=PartialObjectMetadata${OF_META}`;
const METADATA_LIST = `application/json;as=PartialObjectMetadataList${OF_META}`;

/** How many objects are listed in one request. */
const PAGE = 500;

interface MetadataList {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly ApiObject[];
}

export interface MirrorOptions<T> {
  readonly client: ApiClient;
  /** Of the collection, such as `/api/v1/pods`. */
  readonly path: string;
  /** Which of them, such as by a field selector. */
  readonly query?: Readonly<Record<string, string>>;
  /** What is kept of an object. */
  readonly take: (object: ApiObject) => T;
  /** Told of an object that is gone, with what was kept of it. */
  readonly gone?: (key: string, last: T) => void;
  /** Told why the collection cannot be followed at the moment, and when it is followed again. */
  readonly state: (problem: unknown) => void;
}

export class ObjectMirror<T> {
  readonly #options: MirrorOptions<T>;
  readonly #kept = new Map<string, T>();
  #problem = false;

  constructor(options: MirrorOptions<T>) {
    this.#options = options;
  }

  /** By name, or namespace and name with a slash between; undefined for one that is not known. */
  get(key: string): T | undefined {
    return this.#kept.get(key);
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Follows the collection until the signal comes. */
  async follow(signal: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([signal, this.#options.client.closed]);
    const backoff = new Backoff();
    while (!ended.aborted) {
      try {
        const revision = await this.#list();
        backoff.reset();
        this.#tell(undefined);
        await this.#watch(revision, ended);
      } catch (error) {
        if (ended.aborted) return;
        const isExpected = error instanceof ApiError || error instanceof StoreUnavailableError;
        if (!isExpected && !(error instanceof CompactedError)) throw error;
        if (isExpected) this.#tell(error);
      }
      // Whoever watched here has lost its watch at the same time.
      await backoff.wait(ended);
    }
  }

  async #list(): Promise<string> {
    const { client, path, query, take } = this.#options;
    const found = new Map<string, T>();
    for (let next = ""; ; ) {
      const { items, metadata } = await client.call<MetadataList>({
        path,
        query: { ...query, limit: String(PAGE), ...(next !== "" && { continue: next }) },
        accept: METADATA_LIST,
      });
      for (const object of items) found.set(qualifiedName(object), take(object));
      next = metadata.continue ?? "";
      if (next !== "") continue;
      for (const key of [...this.#kept.keys()]) if (!found.has(key)) this.#remove(key);
      for (const [key, kept] of found) this.#kept.set(key, kept);
      return metadata.resourceVersion;
    }
  }

  async #watch(revision: string, ended: AbortSignal): Promise<void> {
    const { client, path, query, take } = this.#options;
    const watch = new ObjectWatch(client, path, query ?? {}, revision, METADATA);
    for await (const { type, object } of watch.events(ended)) {
      if (type === "DELETED") this.#remove(qualifiedName(object));
      else this.#kept.set(qualifiedName(object), take(object));
    }
  }

  #remove(key: string): void {
    const last = this.#kept.get(key);
    if (last === undefined) return;
    this.#kept.delete(key);
    this.#options.gone?.(key, last);
  }

  #tell(problem: unknown): void {
    if (problem === undefined && !this.#problem) return;
    this.#problem = problem !== undefined;
    this.#options.state(problem);
  }
}

/** One object's metadata. Throws ApiError, StoreUnavailableError. */
export function readMetadata(client: ApiClient, path: string): Promise<ApiObject> {
  return client.call<ApiObject>({ path, accept: METADATA });
}
