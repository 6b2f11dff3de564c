/**
 * etcd by the JSON form of its API, which every etcd of version 3.4 or newer serves beside gRPC.
 *
 * The gRPC libraries hold more memory than all the rest of an agent; see docs/decisions/0006.
 * @see https://etcd.io/docs/latest/dev-guide/api_grpc_gateway/
 */

import { TendrilError } from "../../core/errors.ts";
import { isRefusal } from "../refusal.ts";
import { StoreUnavailableError } from "../store.ts";

export interface EtcdOptions {
  /** Such as `https://10.0.0.1:2379`; tried in turn. */
  readonly endpoints: readonly string[];
  /** PEM texts. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly user?: { readonly name: string; readonly password: string };
  /** Milliseconds until a request without an answer is given up; 5,000 unless given. */
  readonly timeout?: number;
}

/** etcd has understood a request and refuses it. `code` is gRPC's. @see google/rpc/code.proto */
export class EtcdError extends TendrilError {
  readonly code: number;

  constructor(method: string, code: number, message: string) {
    super(`etcd refuses ${method}: ${message}`);
    this.code = code;
  }
}

/** gRPC codes that say nothing about the request: another endpoint, or a later time, may serve it. */
const UNAVAILABLE_CODES: ReadonlySet<number> = new Set([4, 8, 14]);
const UNAUTHENTICATED = 16;
const INVALID_ARGUMENT = 3;

/** What etcd says of a token that it has forgotten, with a code that it also uses for other faults. */
const INVALID_TOKEN = "etcdserver: invalid auth token";

/** Requests that may be sent twice. */
const CHANGING_NOTHING: ReadonlySet<string> = new Set(["kv/range", "watch", "lease/keepalive"]);

export class EtcdClient {
  readonly #options: EtcdOptions;
  readonly #closed = new AbortController();
  #endpoint = 0;
  #token: string | undefined;

  constructor(options: EtcdOptions) {
    this.#options = options;
  }

  /** Aborted when the client is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  close(): void {
    this.#closed.abort();
  }

  /**
   * One request, such as `kv/range`, and its answer. Throws EtcdError, and StoreUnavailableError: then it is unknown
   * whether a change was made.
   */
  async call<T>(method: string, request: object): Promise<T> {
    const signal = AbortSignal.any([this.closed, AbortSignal.timeout(this.#options.timeout ?? 5000)]);
    const response = await this.#send(method, request, signal);
    return this.#read(method, () => response.json()) as Promise<T>;
  }

  /**
   * A request with a stream of answers, each given as it comes until the server ends the stream or the signal comes.
   * Throws EtcdError and StoreUnavailableError.
   */
  async *stream<T>(method: string, request: object, signal: AbortSignal): AsyncIterable<T> {
    const response = await this.#send(method, request, AbortSignal.any([this.closed, signal]));
    const decoder = new TextDecoder();
    let text = "";
    const reader = response.body?.getReader();
    if (reader === undefined) return;
    try {
      for (;;) {
        const { done, value } = await this.#read(method, () => reader.read());
        if (done) return;
        text += decoder.decode(value, { stream: true });
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) yield resultOf<T>(method, line);
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  async #send(method: string, request: object, signal: AbortSignal): Promise<Response> {
    for (let again = true; ; again = false) {
      if (this.#options.user !== undefined) this.#token ??= await this.#authenticate(signal);
      const response = await this.#sendToAny(method, request, signal);
      if (response.ok) return response;
      const error = await this.#read(method, () => errorOf(method, response));
      if (!again || !isForgottenToken(error)) throw error;
      this.#token = undefined;
    }
  }

  async #authenticate(signal: AbortSignal): Promise<string> {
    const response = await this.#sendToAny("auth/authenticate", this.#options.user ?? {}, signal);
    if (!response.ok) throw await errorOf("auth/authenticate", response);
    const { token } = (await this.#read("auth/authenticate", () => response.json())) as { token: string };
    return token;
  }

  /** Goes on to the next endpoint where one has surely done nothing, or nothing that counts. */
  async #sendToAny(method: string, request: object, signal: AbortSignal): Promise<Response> {
    const { endpoints, tls } = this.#options;
    const body = JSON.stringify(request);
    const headers: Record<string, string> = this.#token === undefined ? {} : { Authorization: this.#token };
    let cause: unknown;
    for (let tried = 0; tried < endpoints.length; tried++) {
      const endpoint = endpoints[this.#endpoint % endpoints.length];
      try {
        return await fetch(`${endpoint}/v3/${method}`, { method: "POST", body, headers, signal, tls });
      } catch (error) {
        cause = error;
        this.#endpoint++;
        if (!isRefusal(error) && !CHANGING_NOTHING.has(method)) break;
      }
    }
    throw unavailable(method, cause);
  }

  async #read<T>(method: string, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      this.#endpoint++;
      throw unavailable(method, error);
    }
  }
}

function unavailable(method: string, cause: unknown): StoreUnavailableError {
  return new StoreUnavailableError(`etcd does not answer ${method}`, { cause });
}

function isForgottenToken(error: Error): boolean {
  if (!(error instanceof EtcdError)) return false;
  return error.code === UNAUTHENTICATED || (error.code === INVALID_ARGUMENT && error.message.endsWith(INVALID_TOKEN));
}

async function errorOf(method: string, response: Response): Promise<Error> {
  const text = await response.text();
  const { code, message, error } = (parse(text) ?? {}) as { code?: number; message?: string; error?: string };
  return serverError(method, code ?? 0, message ?? error ?? (text || `HTTP status ${response.status}`));
}

function serverError(method: string, code: number, message: string): Error {
  if (!UNAVAILABLE_CODES.has(code)) return new EtcdError(method, code, message);
  return new StoreUnavailableError(`etcd cannot serve ${method}: ${message}`);
}

/** One line of a stream. */
function resultOf<T>(method: string, line: string): T {
  const { result, error } = (parse(line) ?? {}) as {
    result?: T;
    error?: { grpc_code?: number; code?: number; message?: string };
  };
  if (result !== undefined) return result;
  throw serverError(method, error?.grpc_code ?? error?.code ?? 0, error?.message ?? line);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
