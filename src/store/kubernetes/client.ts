/**
 * The API of Kubernetes over the runtime's own `fetch`: single requests, and streams of lines.
 *
 * No library of clients is used; docs/decisions/0009 says why.
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/
 */

import { errorMessage, TendrilError } from "../../core/errors.ts";
import { isRefusal } from "../refusal.ts";
import { sleep } from "../sleep.ts";
import { StoreUnavailableError } from "../store.ts";
import type { Access, AccessSource } from "./access.ts";

/** The kinds of patches, by their content types. @see RFC 6902, RFC 7396, and Kubernetes' own */
export const JSON_PATCH = "application/json-patch+json";
export const MERGE_PATCH = "application/merge-patch+json";
export const STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json";

export interface ApiRequest {
  /** GET unless given. */
  readonly method?: "POST" | "PUT" | "PATCH" | "DELETE";
  /** Such as `/api/v1/nodes`. */
  readonly path: string;
  /** A list for a name that comes several times. */
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: unknown;
  /** `application/json` unless given. */
  readonly contentType?: string;
  /** In which form the answer is to be; `application/json` unless given. */
  readonly accept?: string;
}

export interface ClientOptions {
  readonly source: AccessSource;
  /** Milliseconds until a request without an answer is given up, waiting for its turn included; 10,000 unless given. */
  readonly timeout?: number;
}

/** What a server says of a request that it does not carry out. @see metav1.Status */
export interface ApiStatus {
  readonly kind?: string;
  readonly message?: string;
  /** Such as `AlreadyExists`. */
  readonly reason?: string;
  readonly code?: number;
}

/** The API server has understood a request and refuses it. */
export class ApiError extends TendrilError {
  /** Of HTTP. */
  readonly status: number;
  /** Such as `AlreadyExists`; empty for a path that the server does not serve at all. */
  readonly reason: string;

  constructor(request: ApiRequest, status: number, { message, reason }: ApiStatus) {
    super(`The API server refuses ${describe(request)}: ${message ?? `HTTP status ${status}`}`);
    this.status = status;
    this.reason = reason ?? "";
  }

  /** Whether it is refused for who asks, whatever is asked for. */
  get isOfAsker(): boolean {
    return this.status === UNAUTHORIZED || this.status === FORBIDDEN;
  }
}

/** Milliseconds after which files with certificates and tokens are read again. */
const REREAD = 60_000;

/** Milliseconds to wait where a server that has too much to do does not say for how long. */
const PAUSE = 1000;

const UNAUTHORIZED = 401;
const FORBIDDEN = 403;
const TOO_MANY_REQUESTS = 429;

export class ApiClient {
  readonly #source: AccessSource;
  readonly #timeout: number;
  readonly #closed = new AbortController();
  #access: Access;
  #readAt = performance.now();
  #server = 0;

  /** Reads how to reach the servers; asks them nothing. Throws ConfigError. */
  constructor({ source, timeout = 10_000 }: ClientOptions) {
    this.#source = source;
    this.#timeout = timeout;
    this.#access = source();
  }

  /** Aborted when the client is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  close(): void {
    this.#closed.abort();
  }

  /**
   * One request and its answer. Waits as long as a server asks for that has too much to do. Throws ApiError, and
   * StoreUnavailableError: then it is unknown whether a change was made.
   */
  async call<T>(request: ApiRequest): Promise<T> {
    const signal = AbortSignal.any([this.closed, AbortSignal.timeout(this.#timeout)]);
    const response = await this.#send(request, signal);
    return this.#read(request, () => response.json()) as Promise<T>;
  }

  /**
   * The lines of an answer that goes on, each as it comes until the server ends it or the signal comes; resolves when
   * it has begun, and is to be read at once. Throws ApiError and StoreUnavailableError, the latter also when nothing has
   * come for `silence` milliseconds.
   */
  async stream<T>(request: ApiRequest, signal: AbortSignal, silence: number): Promise<AsyncIterable<T>> {
    const silent = new AbortController();
    const late = setTimeout(() => silent.abort(), this.#timeout);
    try {
      const response = await this.#send(request, AbortSignal.any([this.closed, signal, silent.signal]));
      return this.#lines(request, response, silent, silence);
    } finally {
      clearTimeout(late);
    }
  }

  /** A WebSocket that is being opened. It does not say why it is refused; `call` with the same request does. */
  webSocket(request: ApiRequest, protocols: readonly string[]): WebSocket {
    const { tls, proxy } = this.#access;
    const url = this.#url(request).replace(/^http/, "ws");
    const headers = this.#headers();
    return new WebSocket(url, { protocols: [...protocols], headers, tls, ...(proxy !== undefined && { proxy }) });
  }

  async *#lines<T>(
    request: ApiRequest,
    response: Response,
    silent: AbortController,
    silence: number,
  ): AsyncIterable<T> {
    const reader = response.body?.getReader();
    if (reader === undefined) return;
    const timer = setTimeout(() => silent.abort(), silence);
    const decoder = new TextDecoder();
    let text = "";
    try {
      for (;;) {
        const { done, value } = await this.#read(request, () => reader.read());
        if (done) return;
        timer.refresh();
        text += decoder.decode(value, { stream: true });
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) yield JSON.parse(line) as T;
      }
    } finally {
      clearTimeout(timer);
      await reader.cancel().catch(() => undefined);
    }
  }

  async #send(request: ApiRequest, signal: AbortSignal): Promise<Response> {
    for (let isKnown = true; ; ) {
      const response = await this.#sendToAny(request, signal);
      if (response.ok) return response;
      const { status } = response;
      const said = await this.#read(request, () => statusOf(response));
      if (status === UNAUTHORIZED && isKnown) {
        // A token may have been renewed since it was read.
        isKnown = false;
        this.#reread(true);
      } else if (isTurnedAway(request, response)) {
        await sleep(pauseOf(response), signal);
        if (signal.aborted) throw unavailable(request, said.message);
      } else if (status === TOO_MANY_REQUESTS || status >= 500) {
        throw unavailable(request, said.message);
      } else {
        throw new ApiError(request, status, said);
      }
    }
  }

  /** Goes on to the next server where one has surely done nothing, or nothing that counts. */
  async #sendToAny(request: ApiRequest, signal: AbortSignal): Promise<Response> {
    if (performance.now() - this.#readAt > REREAD) this.#reread();
    let cause: unknown;
    const { servers } = this.#access;
    for (let tried = 0; tried < this.#access.servers.length; tried++) {
      const { tls, proxy } = this.#access;
      const { body, contentType = "application/json", accept = "application/json" } = request;
      const headers = {
        ...this.#headers(),
        Accept: accept,
        ...(body !== undefined && { "Content-Type": contentType }),
      };
      const method = request.method ?? "GET";
      const text = body === undefined ? null : JSON.stringify(body);
      const more = { signal, tls, timeout: false, ...(proxy !== undefined && { proxy }) } as const;
      try {
        return await fetch(this.#url(request), { method, headers, body: text, ...more });
      } catch (error) {
        cause = error;
        this.#failed();
        if (signal.aborted || (!isRefusal(error) && request.method !== undefined)) break;
      }
    }
    throw unanswered(request, servers, cause);
  }

  #url({ path, query = {} }: ApiRequest): string {
    const { servers } = this.#access;
    const pairs = Object.entries(query).flatMap(([name, value]) =>
      [value].flat().map((one) => [name, one] as [string, string]),
    );
    return `${servers[this.#server % servers.length]}${path}${pairs.length === 0 ? "" : `?${new URLSearchParams(pairs)}`}`;
  }

  /** Who it is that asks. */
  #headers(): Record<string, string> {
    const { token, headers } = this.#access;
    return { ...headers, ...(token !== undefined && { Authorization: `Bearer ${token}` }) };
  }

  async #read<T>(request: ApiRequest, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      const { servers } = this.#access;
      this.#failed();
      throw unanswered(request, servers, error);
    }
  }

  /** Another server next time, which may be one that the file names only now. */
  #failed(): void {
    this.#server++;
    this.#reread();
  }

  /** What cannot be read at the moment, such as a file that is being written, stays as it was. */
  #reread(isRefused = false): void {
    this.#readAt = performance.now();
    let access: Access;
    try {
      access = this.#source(isRefused);
    } catch (error) {
      if (error instanceof TendrilError) return;
      throw error;
    }
    // The runtime keeps connections by the identity of these options.
    if (JSON.stringify(access) !== JSON.stringify(this.#access)) this.#access = access;
  }
}

/** A server has too much to do and has done nothing, or is about to end and would have changed nothing. */
function isTurnedAway(request: ApiRequest, response: Response): boolean {
  if (response.status === TOO_MANY_REQUESTS) return true;
  return response.status === 503 && request.method === undefined && response.headers.has("Retry-After");
}

/** Milliseconds, a little more than asked for so that not all come back at once. */
function pauseOf(response: Response): number {
  const seconds = Number(response.headers.get("Retry-After"));
  return (seconds > 0 ? seconds * 1000 : PAUSE) * (1 + Math.random() / 2);
}

function describe({ method, path }: ApiRequest): string {
  return `${method ?? "GET"} ${path}`;
}

function unavailable(request: ApiRequest, message: string | undefined): StoreUnavailableError {
  return new StoreUnavailableError(`The API server cannot serve ${describe(request)}: ${message ?? "it says no more"}`);
}

function unanswered(request: ApiRequest, servers: readonly string[], cause: unknown): StoreUnavailableError {
  const server = `The API server ${servers.join(" or ")}`;
  const why = certificateProblem(cause);
  if (why === undefined) return new StoreUnavailableError(`${server} does not answer ${describe(request)}`, { cause });
  return new StoreUnavailableError(`${server} has a certificate that is not taken: ${why}`, {
    cause,
    details:
      "It has to be of the authority that is named (certificate-authority), and for the host of the server's URL or for tls-server-name.",
  });
}

/** What is wrong with the certificate of a server, where that is what is wrong. */
function certificateProblem(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !("code" in cause)) return undefined;
  const code = String(cause.code);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return "it is for others than the host of the server's URL";
  return CERTIFICATE_PROBLEMS.has(code) || code.startsWith("CERT_") ? `${errorMessage(cause)} (${code})` : undefined;
}

/** As OpenSSL's verification names them, beside those that begin with CERT_. @see openssl-verification-options(1) */
const CERTIFICATE_PROBLEMS: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** A Status, or the few words that stand for one. */
async function statusOf(response: Response): Promise<ApiStatus> {
  const text = await response.text();
  try {
    const status: unknown = JSON.parse(text);
    if (typeof status === "object" && status !== null) return status;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return text === "" ? {} : { message: text.trim() };
}
