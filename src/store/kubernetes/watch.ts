/** Watching a collection of objects, across connections that end and servers that come back. */

import { CompactedError, type Revision, StoreUnavailableError } from "../store.ts";
import { Backoff } from "./backoff.ts";
import { type ApiClient, ApiError, type ApiStatus } from "./client.ts";
import type { ApiObject } from "./resources.ts";

export interface ObjectEvent {
  /** A bookmark's object has nothing but a resource version. */
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: ApiObject;
}

interface ErrorEvent {
  readonly type: "ERROR";
  readonly object: ApiStatus;
}

/** Seconds after which a server ends a watch: up to twice as many, so that not all watches end at once. */
const LIFE = 300;

/** Milliseconds without even a bookmark, of which there is one each minute, after which a server is taken for dead. */
const SILENCE = 150_000;

const GONE = 410;

export class ObjectWatch {
  readonly #client: ApiClient;
  readonly #path: string;
  readonly #query: Readonly<Record<string, string>>;
  readonly #accept: string | undefined;
  #from: Revision;
  #wasOpen = false;

  /** Of the objects of a collection that changed after a resource version; `accept` is the form in which they come. */
  constructor(
    client: ApiClient,
    path: string,
    query: Readonly<Record<string, string>>,
    after: Revision,
    accept?: string,
  ) {
    this.#client = client;
    this.#path = path;
    this.#query = query;
    this.#from = after;
    this.#accept = accept;
  }

  /** Whether a server has known the resource version at which the watch began. */
  get wasOpen(): boolean {
    return this.#wasOpen;
  }

  /** The events, each once, until the signal comes. Throws CompactedError, and ApiError when the server refuses. */
  async *events(signal: AbortSignal): AsyncIterable<ObjectEvent> {
    const ended = AbortSignal.any([signal, this.#client.closed]);
    const backoff = new Backoff();
    while (!ended.aborted) {
      try {
        for await (const event of await this.#open(ended)) {
          if (event.type === "ERROR") throw errorOf(this.#path, event.object);
          backoff.reset();
          this.#wasOpen = true;
          this.#from = event.object.metadata.resourceVersion ?? this.#from;
          if (event.type !== "BOOKMARK") yield event;
        }
        this.#wasOpen = true;
      } catch (error) {
        if (ended.aborted) return;
        if (error instanceof ApiError && error.status === GONE) throw forgotten(error.message);
        if (!(error instanceof StoreUnavailableError)) throw error;
      }
      await backoff.wait(ended);
    }
  }

  #open(ended: AbortSignal): Promise<AsyncIterable<ObjectEvent | ErrorEvent>> {
    const query = {
      ...this.#query,
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: this.#from,
      timeoutSeconds: String(Math.round(LIFE * (1 + Math.random()))),
    };
    const form = this.#accept === undefined ? {} : { accept: this.#accept };
    return this.#client.stream({ path: this.#path, query, ...form }, ended, SILENCE);
  }
}

function errorOf(path: string, status: ApiStatus): Error {
  const { code = 0, message = "no reason given" } = status;
  if (code === GONE) return forgotten(message);
  if (code >= 400 && code < 500 && code !== 429) return new ApiError({ path }, code, status);
  return new StoreUnavailableError(`The API server has ended a watch of ${path}: ${message}`);
}

function forgotten(message: string): CompactedError {
  return new CompactedError(`The API server has forgotten the changes of a watch: ${message}`);
}
