/**
 * Events: what happened to an object, for who describes it.
 *
 * The same thing happening again to the same object is one event that counts. Those of objects without a namespace lie in
 * the namespace `default`, where kubectl looks for them.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
 */

import { formatHash, hash64 } from "../../core/names.ts";
import { type ApiClient, ApiError, MERGE_PATCH } from "./client.ts";
import { secondsTime } from "./resources.ts";
import { orMissing } from "./session.ts";

/** The object that an event is about. */
export interface Involved {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
}

export interface EventText {
  readonly type: "Normal" | "Warning";
  /** One word for machines, such as `PoolExhausted`. */
  readonly reason: string;
  /** Sentences for people. */
  readonly message: string;
}

/** Characters of the longest message that an API server takes. */
export const LONGEST_MESSAGE = 1024;

/** Writes an event. `component` is who tells it. Throws ApiError, StoreUnavailableError. */
export async function writeEvent(
  client: ApiClient,
  component: string,
  about: Involved,
  { type, reason, message }: EventText,
): Promise<void> {
  const namespace = about.namespace ?? "default";
  const path = `/api/v1/namespaces/${namespace}/events`;
  const short = message.slice(0, LONGEST_MESSAGE);
  const name = `${about.name}.${formatHash(hash64([component, about.kind, about.uid, reason, short].join("\n")))}`;
  const now = secondsTime();
  const before = await orMissing(client.call<{ count?: number }>({ path: `${path}/${name}` }));
  if (before !== undefined) {
    const body = { count: (before.count ?? 1) + 1, lastTimestamp: now };
    await orMissing(client.call({ method: "PATCH", path: `${path}/${name}`, body, contentType: MERGE_PATCH }));
    return;
  }
  const body = {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, namespace },
    involvedObject: about,
    ...{ type, reason, message: short, count: 1, firstTimestamp: now, lastTimestamp: now },
    source: { component },
    reportingComponent: component,
  };
  try {
    await client.call({ method: "POST", path, body });
  } catch (error) {
    // Another one was first with the same.
    if (!(error instanceof ApiError && error.status === 409)) throw error;
  }
}
