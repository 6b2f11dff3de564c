/** What the controller counts, for who gathers it in Prometheus' format. Only the one that leads knows of the cluster. */

import { Counter, Gauge, Registry } from "prom-client";
import type { Change } from "./changes.ts";
import type { Picture } from "./picture.ts";

export class Metrics {
  readonly #registry = new Registry();
  readonly #leader = this.#gauge("tendril_controller_leader", "Whether this controller is the one that does the work");
  readonly #changes = new Counter({
    name: "tendril_controller_changes_total",
    help: "Changes that the controller has made, was overtaken in, or could not make",
    labelNames: ["type", "outcome"] as const,
    registers: [this.#registry],
  });
  readonly #givenUp = new Counter({
    name: "tendril_nodes_given_up_total",
    help: "Nodes that were silent for too long",
    registers: [this.#registry],
  });
  readonly #nodes = this.#gauge("tendril_nodes", "Nodes, by whether they are members or given up", ["state"]);
  readonly #agentless = this.#gauge("tendril_nodes_without_agent", "Machines on which no agent is at work");
  readonly #addresses = this.#gauge("tendril_pool_addresses", "Addresses of a pool", ["pool", "family", "state"]);
  readonly #blocks = this.#gauge("tendril_pool_blocks", "Blocks of a pool that are claimed", ["pool", "family"]);
  readonly #conditions = this.#gauge("tendril_pool_condition", "Whether a pool's condition holds", ["pool", "type"]);
  readonly #reservations = this.#gauge("tendril_reservations", "Reservations of addresses");

  #gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  changed(type: Change["type"], outcome: "made" | "overtaken" | "failed"): void {
    this.#changes.inc({ type, outcome });
  }

  gaveUp(nodes: number): void {
    this.#givenUp.inc(nodes);
  }

  /** All of it as text; of the cluster as far as it is known. */
  text(isLeader: boolean, picture: Picture | undefined): Promise<string> {
    this.#leader.set(isLeader ? 1 : 0);
    for (const gauge of [this.#nodes, this.#addresses, this.#blocks, this.#conditions]) gauge.reset();
    if (picture !== undefined) this.#take(picture);
    return this.#registry.metrics();
  }

  #take({ nodes, machines, pools, reservations }: Picture): void {
    const members = [...nodes.values()].filter(({ value }) => !value.gone);
    this.#nodes.set({ state: "member" }, members.length);
    this.#nodes.set({ state: "gone" }, nodes.size - members.length);
    const served = new Set(members.map(({ name }) => name));
    this.#agentless.set(
      [...machines.values()].filter(({ name, value }) => value.os !== "windows" && !served.has(name)).length,
    );
    this.#reservations.set(reservations.size);
    for (const { name: pool, value } of pools.values()) {
      for (const family of [4, 6] as const) {
        const figures = value.status[`ipv${family}`];
        if (figures === undefined) continue;
        for (const state of ["capacity", "used", "free"] as const) {
          this.#addresses.set({ pool, family, state }, Number(figures[state]));
        }
        this.#blocks.set({ pool, family }, figures.blocks);
      }
      for (const { type, status } of value.status.conditions ?? []) {
        this.#conditions.set({ pool, type }, status === "True" ? 1 : 0);
      }
    }
  }
}
