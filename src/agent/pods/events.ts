/**
 * Events on pods: what is wrong with what a pod asks for, where its owner looks.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
 */

import type { Log } from "../../cluster/log.ts";
import { type ApiClient, ApiError } from "../../store/kubernetes/client.ts";
import { LONGEST_MESSAGE } from "../../store/kubernetes/events.ts";
import { microTime } from "../../store/kubernetes/resources.ts";
import { StoreUnavailableError } from "../../store/store.ts";
import type { PodFacts } from "./annotations.ts";

/** Milliseconds in which a pod is told the same thing once: the kubelet tries again much more often. */
const AGAIN = 5 * 60_000;

/** So many events at once, and one more each so many milliseconds. */
const BURST = 25;
const PERIOD = 4000;

export interface EventsOptions {
  readonly client: ApiClient;
  readonly node: string;
  readonly log: Log;
  /** Milliseconds. */
  readonly clock?: () => number;
}

export class PodEvents {
  readonly #options: EventsOptions;
  readonly #clock: () => number;
  /** When each thing was told last. */
  readonly #told = new Map<string, number>();
  #tokens = BURST;
  #filledAt: number;

  constructor(options: EventsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    this.#filledAt = this.#clock();
  }

  /** Warns of something, unless that was done a short time ago; returns when it is done. Never fails: it is told to the log. */
  async warn(pod: Pick<PodFacts, "namespace" | "name" | "uid">, reason: string, note: string): Promise<void> {
    if (!this.#may(`${pod.uid} ${reason} ${note}`)) return;
    const { client, node, log } = this.#options;
    const { namespace, name, uid } = pod;
    const body = {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name: `${name.slice(0, 200)}.${crypto.randomUUID()}`, namespace },
      eventTime: microTime(),
      reportingController: "tendril.dev/agent",
      reportingInstance: node.slice(0, 128),
      type: "Warning",
      action: "Attaching",
      reason,
      note: note.slice(0, LONGEST_MESSAGE),
      regarding: { apiVersion: "v1", kind: "Pod", namespace, name, uid },
    };
    try {
      await client.call({ method: "POST", path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`, body });
    } catch (error) {
      if (!(error instanceof ApiError) && !(error instanceof StoreUnavailableError)) throw error;
      log.warn("an event on a pod could not be written", { pod: `${namespace}/${name}`, note, error: error.message });
    }
  }

  #may(what: string): boolean {
    const now = this.#clock();
    for (const [told, at] of this.#told) if (now - at >= AGAIN) this.#told.delete(told);
    if (this.#told.has(what)) return false;
    const earned = Math.floor((now - this.#filledAt) / PERIOD);
    this.#tokens = Math.min(BURST, this.#tokens + earned);
    this.#filledAt += earned * PERIOD;
    if (this.#tokens === 0) return false;
    this.#tokens--;
    this.#told.set(what, now);
    return true;
  }
}
