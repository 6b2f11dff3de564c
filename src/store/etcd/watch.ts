/** Watching keys of etcd, across connections that end and servers that come back. */

import { sleep } from "../sleep.ts";
import { CompactedError, type Revision, StoreUnavailableError } from "../store.ts";
import type { EtcdClient } from "./client.ts";
import type { KeyValue } from "./etcd-store.ts";

export interface KeyEvent {
  /** Absent for a put, as the API leaves out what is zero. */
  readonly type?: "PUT" | "DELETE";
  readonly kv: KeyValue;
}

interface WatchAnswer {
  readonly header: { readonly revision: string };
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly compact_revision?: string;
  readonly cancel_reason?: string;
  readonly events?: readonly KeyEvent[];
}

/** Milliseconds between two attempts to reach a server again. */
const RETRY = 500;

/**
 * The events of a range after a revision, each once, until the signal comes. Throws CompactedError when etcd has
 * forgotten them, and EtcdError when it refuses.
 */
export async function* watchKeys(
  client: EtcdClient,
  range: { readonly key: string; readonly range_end: string },
  after: Revision,
  signal: AbortSignal,
): AsyncIterable<KeyEvent> {
  const ended = AbortSignal.any([signal, client.closed]);
  let next = BigInt(after) + 1n;
  while (!ended.aborted) {
    try {
      // Progress is told from time to time, so a quiet range is not found compacted after a reconnection.
      const request = { create_request: { ...range, start_revision: String(next), progress_notify: true } };
      for await (const answer of client.stream<WatchAnswer>("watch", request, ended)) {
        if (answer.canceled) throw cancelled(answer, next);
        yield* answer.events ?? [];
        if (!answer.created) next = BigInt(answer.header.revision) + 1n;
      }
    } catch (error) {
      if (ended.aborted) return;
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
    await sleep(RETRY, ended);
  }
}

function cancelled({ compact_revision, cancel_reason }: WatchAnswer, next: bigint): Error {
  if (compact_revision !== undefined && compact_revision !== "0") {
    return new CompactedError(`etcd has forgotten the changes from revision ${next} to ${compact_revision}`);
  }
  // Such as a server that leaves the cluster: another one takes over.
  return new StoreUnavailableError(`etcd has cancelled a watch: ${cancel_reason ?? "no reason given"}`);
}
