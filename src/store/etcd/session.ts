/** Sessions as etcd's leases: granted, kept alive three times in their life, and gone with their keys when not. */

import { sleep } from "../sleep.ts";
import { type Session, StoreUnavailableError } from "../store.ts";
import { type EtcdClient, EtcdError } from "./client.ts";

/** gRPC's code for a lease that is gone. */
const NOT_FOUND = 5;

/** Grants a lease of so many milliseconds, in whole seconds as etcd has it. Throws StoreUnavailableError. */
export async function openEtcdSession(client: EtcdClient, ttl: number): Promise<Session> {
  const { ID: id } = await client.call<{ ID: string }>("lease/grant", { TTL: Math.max(1, Math.ceil(ttl / 1000)) });
  const lost = new AbortController();
  const closed = new AbortController();
  const ended = AbortSignal.any([client.closed, closed.signal]);
  void keepAlive(client, id, ttl, ended, () => lost.abort());
  return {
    id,
    lost: lost.signal,
    async close() {
      closed.abort();
      try {
        await client.call("lease/revoke", { ID: id });
      } catch (error) {
        // It has expired.
        if (!(error instanceof EtcdError && error.code === NOT_FOUND)) throw error;
      }
    },
  };
}

/** Renews until the end. While etcd is away nothing expires there that cannot be renewed when it is back. */
async function keepAlive(
  client: EtcdClient,
  id: string,
  ttl: number,
  ended: AbortSignal,
  lost: () => void,
): Promise<void> {
  for (;;) {
    await sleep(ttl / 3, ended);
    if (ended.aborted) return;
    try {
      for await (const { TTL } of client.stream<{ TTL?: string }>("lease/keepalive", { ID: id }, ended)) {
        // A lease that is gone has no time left, and the API leaves out what is zero.
        if (TTL === undefined || TTL === "0") return lost();
        break;
      }
    } catch (error) {
      if (ended.aborted) return;
      if (!(error instanceof StoreUnavailableError)) return lost();
    }
  }
}
