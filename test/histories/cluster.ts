/** Three simulated nodes, perhaps some controllers, and an operator on one store; and what is to be so at any time. */

import type { Cidr } from "../../src/core/cidr.ts";
import type { BlockRecord, NodeRecord, PoolRecord } from "../../src/core/cluster.ts";
import { parseIp } from "../../src/core/ip.ts";
import { blockName, blockOf, familiesOf, poolNetwork, usableAddresses } from "../../src/ipam/cluster/blocks.ts";
import type { Store } from "../../src/store/store.ts";
import type { Random } from "../support/random.ts";
import { SimulatedStore } from "../support/simulated-store.ts";
import { SimulatedController } from "./controller.ts";
import { SimulatedNode } from "./node.ts";
import { Truth } from "./truth.ts";
import { clusterOf, GRACE, type Pools, type World } from "./world.ts";

export const NODES = ["n1", "n2", "n3"];

export class SimulatedCluster {
  readonly truth: Truth;
  readonly random: Random;
  readonly pools: Pools;
  readonly store: SimulatedStore;
  readonly nodes: readonly SimulatedNode[];
  readonly controllers: readonly SimulatedController[];
  readonly #gone = new Set<string>();
  /** Who waits for time to pass. */
  #sleeping: { readonly until: number; readonly wake: () => void }[] = [];
  #count = 0;
  /** How many changes the store had seen when somebody last looked for nodes that are given up. */
  #lookedAt = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(random: Random, backing: Store, pools: Pools) {
    this.random = random;
    this.pools = pools;
    this.store = new SimulatedStore(random, backing);
    this.truth = new Truth(this.store, random);
    const world: World = {
      ...{ store: this.store, truth: this.truth, random },
      settings: { controllers: random.pick([0, 0, 1, 2]) },
      cluster: (process) => clusterOf(this.store, process),
      failed: (error) => this.failed(error),
      guard: (work) => this.#guard(work),
      number: () => ++this.#count,
    };
    this.nodes = NODES.map((name) => new SimulatedNode(world, name));
    this.controllers = Array.from(
      { length: world.settings.controllers },
      (_, i) => new SimulatedController(world, `c${i}`),
    );
  }

  /** All that have processes which go on by themselves. */
  get all(): readonly (SimulatedNode | SimulatedController)[] {
    return [...this.nodes, ...this.controllers];
  }

  close(): void {
    for (const node of this.nodes) {
      node.crash();
      node.table.close();
    }
    for (const { process } of this.controllers) process.dead = true;
  }

  /** Hears of an error that nobody should have had; the next look throws it. */
  failed(error: unknown): void {
    this.#failure ??= { error };
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.failed(error);
    }
  }

  nodeOf(name: string): SimulatedNode {
    return this.nodes.find((node) => node.name === name) as SimulatedNode;
  }

  /** The name of one of the pools. */
  anyPool(): string {
    const names = Object.keys(this.pools);
    return names.length === 1 ? (names[0] as string) : this.random.pick(names);
  }

  /** The addresses that pods can have of a pool, whichever pool a block has been claimed for. */
  usable(name: string): string[] {
    const ofPool = (pool: PoolRecord) =>
      familiesOf(pool).flatMap((family) => usableAddresses(pool, poolNetwork(pool, family) as Cidr));
    const mayHave = (pool: PoolRecord, address: string) =>
      blocksOf([pool], address).length === 0 || ofPool(pool).includes(address);
    const pools = Object.values(this.pools);
    return ofPool(this.pools[name] as PoolRecord).filter((address) => pools.every((pool) => mayHave(pool, address)));
  }

  isGone(node: string): boolean {
    return this.#gone.has(node);
  }

  pass(milliseconds: number): void {
    this.truth.now += milliseconds;
    const due = this.#sleeping.filter(({ until }) => until <= this.truth.now);
    this.#sleeping = this.#sleeping.filter(({ until }) => until > this.truth.now);
    for (const { wake } of due) wake();
  }

  sleep(milliseconds: number): Promise<void> {
    return new Promise((wake) => void this.#sleeping.push({ until: this.truth.now + milliseconds, wake }));
  }

  /** Time passes, and those that can begin with what they always do. */
  async tick(): Promise<void> {
    this.pass(GRACE / 5);
    for (const each of this.all) each.tick();
    await turn();
  }

  /** So many things happen, or until something is so. */
  async steps(count: number, isSo: () => boolean = () => false): Promise<void> {
    for (let i = 0; i < count && !isSo(); i++) {
      const step = await this.store.step();
      if (step === "nothing") break;
      if (step === "told") await turn();
      this.#lookForGone();
    }
  }

  /** All happens that is under way. */
  async settle(): Promise<void> {
    await turn();
    await this.steps(Number.POSITIVE_INFINITY);
    this.look();
  }

  /** The pods of a node that is given up count as dead, until it is back and has them still. */
  #lookForGone(): void {
    if (this.#lookedAt === this.store.changes) return;
    this.#lookedAt = this.store.changes;
    for (const { name, value } of this.store.documents("nodes")) {
      if (!(value as NodeRecord).gone) this.#gone.delete(name);
      else if (!this.#gone.has(name)) {
        this.#gone.add(name);
        this.truth.say(`${name} is given up`);
        this.truth.count("givenUp");
        this.nodeOf(name).giveUp();
      }
    }
  }

  /**
   * Whoever may give addresses holds them by what the store says, none that another one has, and all that its pods have.
   * Throws what has gone wrong.
   */
  look(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#lookForGone();
    const holders = new Map<string, string>();
    for (const node of this.nodes) {
      for (const { address, owner } of node.given()) {
        if (!this.#isOf(node.name, address)) this.truth.fail(`${address} of ${owner} is not ${node.name}'s any more`);
        const other = holders.get(address) ?? this.truth.live.get(address)?.owner ?? owner;
        if (other !== owner) this.truth.fail(`${node.name} has given ${address} to ${owner}, and ${other} holds it`);
        holders.set(address, owner);
        const pod = this.truth.pods.get(owner);
        const isKnown = this.truth.live.has(address) || node.isPending(owner);
        if (pod !== undefined && !isKnown) this.truth.survive(address, pod);
      }
    }
    for (const [address, { node, owner }] of this.truth.live) {
      const isUnknown = holders.get(address) !== owner && this.nodeOf(node).maySwear;
      if (isUnknown) this.truth.fail(`${node} does not know any more that ${owner} has ${address}`);
    }
  }

  /** Whether the store has an address as a node's: of its own block, or apart from one. */
  #isOf(node: string, address: string): boolean {
    // Pools that overlap are cut into the same blocks.
    const [block] = blocksOf(Object.values(this.pools), address);
    const value = block && (this.store.document("blocks", blockName(block))?.value as BlockRecord | undefined);
    return (value?.lent[address] ?? value?.node) === node;
  }

  state(): string {
    const documents = ["blocks", "reservations"].flatMap((kind) => this.store.documents(kind));
    const stored = documents.map(({ name, value }) => `${name} ${JSON.stringify(value)}`);
    const tables = this.nodes.map(({ name, table }) => `${name} ${JSON.stringify(table.blocks())}`);
    return [...stored, ...tables].join("\n");
  }
}

/** The blocks of the pools that an address is in. */
function blocksOf(pools: readonly PoolRecord[], address: string): Cidr[] {
  const ip = parseIp(address);
  return pools.flatMap((pool) => (ip && blockOf(pool, ip)) ?? []);
}

/** Lets what can go on without the store's answers do so: no call of an agent awaits more often than this in a row. */
export async function turn(): Promise<void> {
  for (let i = 0; i < 40; i++) await undefined;
}
