/** The controller's life: it campaigns for the leadership, and does the cluster's work while it has it. */

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Log } from "../cluster/log.ts";
import { serveMetrics } from "../cluster/metrics-server.ts";
import { errorMessage } from "../core/errors.ts";
import { bootClock } from "../linux/boot-clock.ts";
import type { AccessSource } from "../store/kubernetes/access.ts";
import { ApiClient } from "../store/kubernetes/client.ts";
import { KubernetesStore } from "../store/kubernetes/kubernetes-store.ts";
import { clusterResources } from "../store/kubernetes/resources.ts";
import { watchedResources } from "../store/kubernetes/watched.ts";
import { sleep } from "../store/sleep.ts";
import type { ControllerConfig } from "./config.ts";
import { Election } from "./election.ts";
import { Metrics } from "./metrics.ts";
import { Term } from "./term.ts";

export interface ControllerOptions {
  readonly config: ControllerConfig;
  readonly source: AccessSource;
  readonly log: Log;
  readonly version: string;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** The Lease by which controllers elect one of them. */
export const LEASE = "tendril-controller";

/** How often the leadership is asked for in a Lease's duration. */
const CAMPAIGNS = 5;

/** Works until the signal comes; then another may begin at once. */
export async function runController({ config, source, log, version, signal }: ControllerOptions): Promise<void> {
  const { namespace } = config.storeOptions;
  const resources = { ...clusterResources(namespace), ...watchedResources };
  const period = (config.lease * 1000) / CAMPAIGNS;
  // An answer that takes longer would come too late for the leadership.
  const store = new KubernetesStore({ source, resources, timeout: 2 * period, ...(namespace && { namespace }) });
  const client = new ApiClient({ source });
  const identity = `${hostname()}_${randomUUID()}`;
  const election = new Election({ store, name: LEASE, identity, duration: config.lease, clock: bootClock });
  const metrics = new Metrics();
  let term: Term | undefined;
  let answeredAt = Number.NEGATIVE_INFINITY;
  const observed = {
    isReady: () => bootClock() - answeredAt < 2 * config.lease * 1000,
    metrics: () => metrics.text(election.isLeader(), term?.picture),
  };
  const server = config.metrics === undefined ? undefined : serveMetrics(config.metrics, observed);
  log.info("the controller campaigns for the leadership", { version, identity });
  let problem = "";
  while (!signal.aborted) {
    try {
      await election.campaign();
      answeredAt = bootClock();
      problem = "";
    } catch (error) {
      const now = errorMessage(error);
      if (now !== problem) log.warn("the leadership could not be asked for", { error: now });
      problem = now;
    }
    if (election.isLeader() && term === undefined) {
      log.info("this controller leads");
      const require = () => election.require();
      term = new Term({ config, store, client, require, clock: bootClock, log, metrics });
    } else if (!election.isLeader() && term !== undefined) {
      log.warn("this controller leads no more", { leader: election.holder });
      term.end();
      term = undefined;
    }
    await sleep(period, signal);
  }
  term?.end();
  try {
    await election.resign();
  } catch (error) {
    log.warn("the leadership could not be given up: another waits for its Lease to run out", {
      error: errorMessage(error),
    });
  }
  await server?.close();
  client.close();
  await store.close();
}
