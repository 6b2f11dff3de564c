/** The time for which this controller does the work: it follows the cluster, and has the loops' changes made. */

import { clusterStore } from "../cluster/cluster-store.ts";
import type { Log } from "../cluster/log.ts";
import { Reclaim } from "../cluster/reclaim.ts";
import { repeat } from "../cluster/repeat.ts";
import type { Since } from "../cluster/since.ts";
import type { ApiClient } from "../store/kubernetes/client.ts";
import { sleep } from "../store/sleep.ts";
import { type Store, StoreUnavailableError } from "../store/store.ts";
import { Applier } from "./apply.ts";
import type { Change } from "./changes.ts";
import type { ControllerConfig } from "./config.ts";
import { NotLeaderError } from "./election.ts";
import { fencedStore } from "./fenced-store.ts";
import type { Metrics } from "./metrics.ts";
import { NO_NODES, type NodeMemory, planNodes } from "./nodes.ts";
import { followPicture, type Picture } from "./picture.ts";
import { planPools } from "./pool-status.ts";
import { planReservations } from "./reservations.ts";

export interface TermOptions {
  readonly config: ControllerConfig;
  readonly store: Store;
  readonly client: ApiClient;
  /** Throws when the term is over. */
  readonly require: () => void;
  /** Milliseconds of a clock that nobody sets and that goes on while the machine sleeps. */
  readonly clock: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * Milliseconds between two looks for nodes that are silent at most, and how many there are at least in the time that a node
 * is given: who has not looked for half of it has to give it anew.
 */
const LOOK = 10_000;
const LOOKS = 5;

/** Milliseconds between two looks at the picture, though nothing has changed; and at least between two. */
const AGAIN = 30_000;
const PAUSE = 1000;

export class Term {
  readonly #options: TermOptions;
  readonly #ending = new AbortController();
  readonly #picture: () => Picture | undefined;
  readonly #applier: Applier;
  #nodes: NodeMemory = NO_NODES;
  #abandoned: Since = new Map();

  /** Begins it. */
  constructor(options: TermOptions) {
    this.#options = options;
    const { config, store, client, require, clock, log, metrics } = options;
    const { signal } = this.#ending;
    const warn = (sentence: string) => log.warn(sentence);
    const cluster = clusterStore(fencedStore(store, require), warn);
    this.#applier = new Applier({ client, cluster, require });
    const reclaim = new Reclaim(cluster, { clock, patience: config.patience * 1000 });
    let looked = Number.NEGATIVE_INFINITY;
    const look = async (): Promise<void> => {
      if (clock() - looked < this.#lookPeriod()) return;
      looked = clock();
      const givenUp = await reclaim.look();
      metrics.gaveUp(givenUp.length);
      for (const node of givenUp) log.warn("a node has been silent for too long and is given up", { node });
    };
    const changed = () => loop.soon();
    this.#picture = followPicture(store, { signal, warn, changed, failed: this.#failed });
    const loop = repeat(AGAIN, signal, () => this.#work(signal), this.#failed);
    repeat(PAUSE, signal, look, this.#failed);
  }

  get picture(): Picture | undefined {
    return this.#picture();
  }

  end(): void {
    this.#ending.abort();
  }

  #lookPeriod(): number {
    const nodes = [...(this.#picture()?.nodes.values() ?? [])];
    const shortest = Math.min(...nodes.map(({ value }) => value.patience ?? this.#options.config.patience));
    return Math.min(LOOK, (shortest * 1000) / LOOKS);
  }

  async #work(signal: AbortSignal): Promise<void> {
    const picture = this.#picture();
    if (picture === undefined) return;
    for (const change of this.#plan(picture)) {
      if (signal.aborted) return;
      await this.#make(change);
    }
    await sleep(PAUSE, signal);
  }

  #plan(picture: Picture): Change[] {
    const { config, clock } = this.#options;
    const now = clock();
    const grace = { nodeGrace: config.nodeGrace * 1000, agentGrace: config.agentGrace * 1000 };
    const nodes = planNodes(picture, this.#nodes, { now, ...grace });
    const reservations = planReservations(picture, this.#abandoned, { now, ownerGrace: config.ownerGrace * 1000 });
    this.#nodes = nodes.memory;
    this.#abandoned = reservations.memory;
    const { nearlyExhausted } = config;
    return [...nodes.changes, ...reservations.changes, ...planPools(picture, { now: Date.now(), nearlyExhausted })];
  }

  /** One that fails does not keep the others from being made. */
  async #make(change: Change): Promise<void> {
    const { metrics, log } = this.#options;
    try {
      const outcome = await this.#applier.apply(change);
      metrics.changed(change.type, outcome);
      if (outcome === "made") log.info(...inWords(change));
    } catch (error) {
      metrics.changed(change.type, "failed");
      if (error instanceof StoreUnavailableError || error instanceof NotLeaderError) throw error;
      this.#failed(error);
    }
  }

  readonly #failed = (error: unknown): void => {
    if (this.#ending.signal.aborted) return;
    const { log } = this.#options;
    if (error instanceof StoreUnavailableError) log.warn("the API server does not answer", { error: error.message });
    else if (error instanceof NotLeaderError)
      log.warn("a change is left to another controller", { error: error.message });
    else log.error("something went wrong", { error: error instanceof Error ? error.stack : String(error) });
  };
}

function inWords(change: Change): [message: string, fields: Readonly<Record<string, unknown>>] {
  switch (change.type) {
    case "pool-status":
      return ["a pool's status is told", { pool: change.pool, ipv4: change.status.ipv4, ipv6: change.status.ipv6 }];
    case "event":
      return [
        change.event.message,
        { about: `${change.about.kind} ${change.about.name}`, reason: change.event.reason },
      ];
    case "forget-node":
      return ["a node whose machine is gone is forgotten", { node: change.node.name }];
    case "end-reservation": {
      const { owner, addresses } = change.reservation.value;
      return ["a reservation ends whose owner is gone", { owner, addresses }];
    }
  }
}
