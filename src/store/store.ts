/**
 * The cluster's memory: small JSON documents by kind and name, changed by compare-and-swap and watched.
 *
 * The interface asks for what a Kubernetes API server can give too: a revision for each document and for each list, a
 * watch that goes on from a revision, no transaction over several documents.
 */

import { TendrilError } from "../core/errors.ts";

/** Tells two states of a document, or of the store, apart. Only its own store can read it. */
export type Revision = string;

/** A document as it was at a revision. */
export interface Entry {
  readonly kind: string;
  readonly name: string;
  /** Plain JSON. */
  readonly value: unknown;
  readonly revision: Revision;
}

export interface Listing {
  /** By name. */
  readonly entries: readonly Entry[];
  /** What a watch goes on from to see all later changes. */
  readonly revision: Revision;
}

export type Change =
  | { readonly type: "put"; readonly entry: Entry }
  | { readonly type: "delete"; readonly kind: string; readonly name: string; readonly revision: Revision };

/** The owner of documents that go with it: a process that says again and again that it is alive. */
export interface Session {
  readonly id: string;
  /** Aborted when the session has ended against its owner's will, and its documents with it. */
  readonly lost: AbortSignal;
  /** Ends it and deletes its documents. Throws StoreUnavailableError. */
  close(): Promise<void>;
}

export interface Store {
  /** Throws StoreUnavailableError, as all others do. */
  get(kind: string, name: string): Promise<Entry | undefined>;
  list(kind: string): Promise<Listing>;
  /**
   * The changes of a kind after a revision, in their order. Of several changes of one document that come at once the
   * last alone may be told. A store that goes away and comes back is waited for. Ends with the signal. Throws
   * CompactedError when the store has forgotten what came after that revision: list again.
   */
  watch(kind: string, after: Revision, signal: AbortSignal): AsyncIterable<Change>;
  /** Makes a document, of a session where one is given. Throws ConflictingWriteError when there is one. */
  create(kind: string, name: string, value: unknown, session?: Session): Promise<Revision>;
  /** Writes a document that is still at a revision; it stays its session's. Throws ConflictingWriteError. */
  update(kind: string, name: string, value: unknown, revision: Revision): Promise<Revision>;
  /** Deletes a document that is still at a revision. Throws ConflictingWriteError when it has changed or is gone. */
  delete(kind: string, name: string, revision: Revision): Promise<void>;
  /** Begins a session that ends when its owner has not been heard of for this many milliseconds. */
  openSession(ttl: number): Promise<Session>;
  /** Ends watches and sessions' renewal; sessions end by themselves when their time is over. */
  close(): Promise<void>;
}

/** The store cannot be reached, or does not answer. */
export class StoreUnavailableError extends TendrilError {}

/** Somebody else has written the document first. */
export class ConflictingWriteError extends TendrilError {
  constructor(verb: string, kind: string, name: string) {
    super(`Cannot ${verb} "${kind}/${name}": somebody else was first`);
  }
}

/** A watch's revision is too old: its changes are forgotten. */
export class CompactedError extends TendrilError {}

/** A kind or name that not every store could take. */
export class DocumentNameError extends TendrilError {}

const KIND = /^[a-z]+$/;
/** @see RFC 1123 2.1, and Kubernetes' "DNS Subdomain Names" */
const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Throws DocumentNameError unless every store can take these. */
export function checkName(kind: string, name = "a"): void {
  if (!KIND.test(kind)) throw new DocumentNameError(`Documents cannot be of kind "${kind}"`);
  if (!NAME.test(name)) {
    throw new DocumentNameError(`A document cannot be named "${name}"`, {
      details: "Lower-case letters, digits, dots and hyphens, at most 253 of them.",
    });
  }
}
