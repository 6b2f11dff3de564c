/** What the agent counts, for who gathers it in Prometheus' format. */

import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** In seconds: a call takes milliseconds, one that waits for the store longer. */
const BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** How a node stands when metrics are gathered. */
export interface NodeFigures {
  readonly attachments: number;
  readonly peers: number;
  readonly problems: number;
  readonly storeAvailable: boolean;
  readonly resources: { readonly owned: number; readonly failed: number };
  readonly pools: readonly {
    readonly name: string;
    readonly family: number;
    readonly blocks: number;
    readonly free: number;
    readonly used: number;
  }[];
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #calls = new Histogram({
    name: "tendril_call_duration_seconds",
    help: "Time from a plugin's call to its answer",
    labelNames: ["verb", "type", "status"] as const,
    buckets: BUCKETS,
    registers: [this.#registry],
  });
  readonly #reconciliations = this.#counter(
    "tendril_reconciliations_total",
    "How often the node's resources were brought in line",
  );
  readonly #failures = this.#counter("tendril_resource_failures_total", "Resources that could not be made or removed");
  readonly #attachments = this.#gauge("tendril_attachments", "Attachments that hold addresses of the cluster");
  readonly #peers = this.#gauge("tendril_peers", "Other nodes");
  readonly #problems = this.#gauge("tendril_problems", "What keeps the node from being whole");
  readonly #store = this.#gauge("tendril_store_available", "Whether the store answers");
  readonly #resources = this.#gauge("tendril_resources", "Resources that the agent keeps", ["state"]);
  readonly #addresses = this.#gauge("tendril_addresses", "Addresses in the node's blocks", ["pool", "family", "state"]);
  readonly #blocks = this.#gauge("tendril_blocks", "Blocks that the node has claimed", ["pool", "family"]);

  #counter(name: string, help: string): Counter {
    return new Counter({ name, help, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  /** Counts one call of a plugin, which took so many milliseconds. */
  called(verb: string, type: string, status: number, milliseconds: number): void {
    this.#calls.observe({ verb, type, status: String(status) }, milliseconds / 1000);
  }

  reconciled(failures: number): void {
    this.#reconciliations.inc();
    if (failures > 0) this.#failures.inc(failures);
  }

  /** All of it as text; the node's figures as they are now. */
  text(node: NodeFigures | undefined): Promise<string> {
    if (node !== undefined) this.#take(node);
    return this.#registry.metrics();
  }

  #take({ attachments, peers, problems, storeAvailable, resources, pools }: NodeFigures): void {
    this.#attachments.set(attachments);
    this.#peers.set(peers);
    this.#problems.set(problems);
    this.#store.set(storeAvailable ? 1 : 0);
    this.#resources.set({ state: "owned" }, resources.owned);
    this.#resources.set({ state: "failed" }, resources.failed);
    // A pool that the node has left has no figures any more.
    this.#addresses.reset();
    this.#blocks.reset();
    for (const { name: pool, family, blocks, free, used } of pools) {
      this.#addresses.set({ pool, family, state: "free" }, free);
      this.#addresses.set({ pool, family, state: "used" }, used);
      this.#blocks.set({ pool, family }, blocks);
    }
  }
}
