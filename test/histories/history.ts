/**
 * Random histories of three agents on one store: claims, gives, releases, crashes, pauses, restarts, machines that are away
 * past their epoch, answers that come late or never, requests that are carried out after their sender has given up. No
 * address is held twice, and none is lost for ever.
 */

import type { ReservationWish } from "../../src/agent/addresses.ts";
import { forgetNode } from "../../src/cli/node-changes.ts";
import {
  type BlockRecord,
  DOCUMENT_VERSION,
  type NodeRecord,
  type ReservationRecord,
  reservationName,
} from "../../src/core/cluster.ts";
import { ConflictError, TendrilError } from "../../src/core/errors.ts";
import type { Store } from "../../src/store/store.ts";
import type { Random } from "../support/random.ts";
import { newProcess, SimulatedStore } from "../support/simulated-store.ts";
import { SimulatedController } from "./controller.ts";
import { SimulatedNode } from "./node.ts";
import { Truth } from "./truth.ts";
import { clusterOf, EPOCH, GRACE, POOL, USABLE, type World } from "./world.ts";

const ACTIONS = 60;
const NODES = ["n1", "n2", "n3"];
/** Owners with addresses of their own: of the first addresses are made by their ADDs, of the others by an operator. */
const STICKY = ["default/web-0", "default/web-1", "default/web-2"];
const RESERVED = ["default/db-0", "default/db-1"];
/** Owners that ask for certain addresses to be kept for them. */
const FIXED: Readonly<Record<string, string>> = { "default/fix-0": "10.0.0.5", "default/fix-1": "10.0.0.10" };

export class History {
  readonly truth: Truth;
  readonly #random: Random;
  readonly #store: SimulatedStore;
  readonly #operator: Store;
  readonly #world: World;
  readonly #nodes: readonly SimulatedNode[];
  readonly #controllers: readonly SimulatedController[];
  readonly #gone = new Set<string>();
  /** Who waits for time to pass. */
  #sleeping: { readonly until: number; readonly wake: () => void }[] = [];
  #count = 0;
  /** How many changes the store had seen when somebody last looked for nodes that are given up. */
  #lookedAt = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(random: Random, backing: Store) {
    this.#random = random;
    this.#store = new SimulatedStore(random, backing);
    this.#operator = this.#store.client(newProcess());
    this.truth = new Truth(this.#store, random);
    const failed = (error: unknown) => {
      this.#failure ??= { error };
    };
    const guard = (work: () => void) => {
      try {
        work();
      } catch (error) {
        failed(error);
      }
    };
    const cluster: World["cluster"] = (process) => clusterOf(this.#store, process);
    const settings = { controllers: random.pick([0, 0, 1, 2]) };
    const number = () => ++this.#count;
    this.#world = { store: this.#store, truth: this.truth, random, settings, cluster, failed, guard, number };
    this.#nodes = NODES.map((name) => new SimulatedNode(this.#world, name));
    this.#controllers = Array.from(
      { length: settings.controllers },
      (_, i) => new SimulatedController(this.#world, `c${i}`),
    );
  }

  /** Throws with the story and the seed when something has gone wrong. */
  async run(): Promise<void> {
    void this.#operator.create("pools", "default", POOL);
    await this.#settle();
    const late = this.#random.pick([0, 3, 10]);
    this.#store.faults = { late, lost: 1, unanswered: this.#random.pick([0, 2, 5]) };
    for (const node of this.#nodes) node.start();
    for (let i = 0; i < ACTIONS; i++) {
      if (this.#random.below(40) === 0) await this.#absence(this.#random.pick(this.#nodes));
      else await this.#act();
      this.#look();
    }
    await this.#comeToRest();
    await this.#giveAllReserved();
    await this.#endReservations();
    await this.#giveAll();
  }

  close(): void {
    for (const node of this.#nodes) {
      node.crash();
      node.table.close();
    }
    for (const { process } of this.#controllers) process.dead = true;
  }

  async #act(): Promise<void> {
    const node = this.#random.pick(this.#nodes);
    const chance = this.#random.below(100);
    if (chance < 20) await this.#burst(60);
    else if (chance < 30) node.tick();
    else if (chance < 35) node.tickOne();
    else if (chance < 40) this.#pass(this.#random.below(GRACE / 5));
    else if (chance < 48) await this.#passAsUsual(this.#random.below(10));
    else if (chance < 74) this.#add(node);
    else if (chance < 80) this.#operate();
    else if (chance < 90) this.#end();
    else if (chance < 93) this.#restart(node);
    else if (chance < 95) this.#disturb(this.#random.pick([...this.#nodes, ...this.#controllers]));
    else this.#pause(this.#random.pick([...this.#nodes, ...this.#controllers]));
  }

  /** Some of what is under way happens. */
  async #burst(most: number): Promise<void> {
    await this.#steps(this.#random.below(most));
    if (this.#random.below(4) === 0) this.#forgetNodes();
  }

  async #steps(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const step = await this.#store.step();
      if (step === "nothing") break;
      if (step === "told") await turn();
      this.#lookForGone();
    }
  }

  /** As a controller does: nodes that are given up and hold nothing are not known any more. */
  #forgetNodes(): void {
    const blocks = this.#store.documents("blocks").map(({ value }) => value as BlockRecord);
    for (const { name, value, revision } of this.#store.documents("nodes")) {
      const holds = blocks.some(({ node, lent }) => node === name || Object.values(lent).includes(name));
      if (!(value as NodeRecord).gone || holds) continue;
      this.truth.say(`${name} is forgotten`);
      this.truth.count("forgotten");
      void this.#operator.delete("nodes", name, revision).catch(() => {});
    }
  }

  /** Time passes in which those that can do what they always do. */
  async #passAsUsual(rounds: number): Promise<void> {
    for (let i = 0; i < rounds; i++) {
      this.#pass(GRACE / 5);
      for (const each of [...this.#nodes, ...this.#controllers]) each.tick();
      await turn();
      await this.#burst(160);
    }
  }

  /** A node is away for long, in one way or another, while others go on; and is asked for addresses at once thereafter. */
  async #absence(node: SimulatedNode): Promise<void> {
    const how = this.#random.pick(["paused", "down", "off", "not", "slowly"] as const);
    this.truth.say(`${node.name} is away: ${how}`);
    this.truth.count("absent");
    if (how === "down") node.crash();
    else if (how === "off") node.powerOff();
    else if (node.process !== undefined && how === "paused") node.process.paused = true;
    else if (node.process !== undefined) node.process.reach = how as "not" | "slowly";
    for (let i = 4 + this.#random.below(10); i > 0; i--) {
      await this.#passAsUsual(1);
      if (this.#random.below(2) > 0) this.#add(this.#random.pick(this.#nodes));
      else if (this.#random.below(3) === 0) this.#end();
      this.#look();
    }
    this.truth.say(`${node.name} is back`);
    node.start();
    if (node.process !== undefined) Object.assign(node.process, { paused: false, reach: "well" });
    for (let i = this.#random.below(30); i > 0; i--) {
      if (this.#random.below(3) === 0) this.#add(node);
      else node.tickOne();
      await turn();
      await this.#steps(this.#random.below(6));
      this.#look();
    }
  }

  #pass(milliseconds: number): void {
    this.truth.now += milliseconds;
    const due = this.#sleeping.filter(({ until }) => until <= this.truth.now);
    this.#sleeping = this.#sleeping.filter(({ until }) => until > this.truth.now);
    for (const { wake } of due) wake();
  }

  #add(node: SimulatedNode): void {
    const chance = this.#random.below(100);
    const ask = (reservation: ReservationWish) => node.add({ pool: "default", reservation });
    if (chance < 58) node.add({ pool: "default" });
    else if (chance < 62) node.add({ pool: "default", addresses: [anyAddress(this.#random)] });
    else if (chance < 82) ask({ owner: this.#random.pick(STICKY), sticky: true });
    else if (chance < 92) ask({ owner: this.#random.pick(RESERVED), sticky: false });
    else {
      const owner = this.#random.pick(Object.keys(FIXED));
      ask({ owner, sticky: false, fixed: [FIXED[owner] as string] });
    }
  }

  /** The operator reserves an address, takes a reservation away, has one end, or says that a node is gone for good. */
  #operate(): void {
    if (this.#random.below(6) === 0) {
      this.#sayGone(this.#random.pick(NODES));
      return;
    }
    const owner = this.#random.pick([...RESERVED, ...STICKY, ...Object.keys(FIXED)]);
    const found = this.#store.document("reservations", reservationName(owner));
    const isRare = RESERVED.includes(owner) && this.#random.below(3) === 0;
    if (found !== undefined && !isRare) {
      this.truth.say(`the operator deletes the reservation of ${owner}`);
      this.truth.count("ended");
      void this.#operator.delete("reservations", found.name, found.revision).catch(() => {});
    } else if (found === undefined && RESERVED.includes(owner)) {
      const address = anyAddress(this.#random);
      this.truth.say(`the operator reserves ${address} for ${owner}`);
      const expires = new Date(EPOCH + this.truth.now + this.#random.below(6 * GRACE)).toISOString();
      const record: ReservationRecord = { version: DOCUMENT_VERSION, addresses: [address], owner, expires };
      void this.#operator.create("reservations", reservationName(owner), record).catch(() => {});
    }
  }

  #sayGone(node: string): void {
    this.truth.say(`the operator says that ${node} is gone`);
    const sleep = (milliseconds: number) =>
      new Promise<void>((wake) => void this.#sleeping.push({ until: this.truth.now + milliseconds, wake }));
    forgetNode(clusterOf(this.#store, newProcess()), node, { patience: GRACE, sleep }).catch((error: unknown) => {
      // Alive, not known, or the store does not answer.
      if (!(error instanceof ConflictError || error instanceof TendrilError)) this.#world.failed(error);
    });
  }

  #end(): void {
    const pods = [...this.truth.live.values()];
    if (pods.length === 0) return;
    const pod = this.#random.pick(pods);
    this.#nodeOf(pod.node).end(pod);
  }

  #restart(node: SimulatedNode): void {
    const isOff = this.#random.below(4) === 0;
    this.truth.say(`${node.name} ${isOff ? "loses its power" : "crashes"} and starts again`);
    if (isOff) node.powerOff();
    else node.crash();
    node.start();
  }

  #disturb({ name, process }: SimulatedNode | SimulatedController): void {
    if (process === undefined) return;
    process.reach = process.reach === "well" ? this.#random.pick(["slowly", "slowly", "not"] as const) : "well";
    this.truth.say(`${name} reaches the store ${process.reach}`);
  }

  #pause({ name, process }: SimulatedNode | SimulatedController): void {
    if (process === undefined) return;
    process.paused = !process.paused;
    this.truth.say(`${name} ${process.paused ? "pauses" : "goes on"}`);
  }

  #nodeOf(name: string): SimulatedNode {
    return this.#nodes.find((node) => node.name === name) as SimulatedNode;
  }

  /** The pods of a node that is given up count as dead, until it is back and has them still. */
  #lookForGone(): void {
    if (this.#lookedAt === this.#store.changes) return;
    this.#lookedAt = this.#store.changes;
    for (const { name, value } of this.#store.documents("nodes")) {
      if (!(value as NodeRecord).gone) this.#gone.delete(name);
      else if (!this.#gone.has(name)) {
        this.#gone.add(name);
        this.truth.say(`${name} is given up`);
        this.truth.count("givenUp");
        this.#nodeOf(name).giveUp();
      }
    }
  }

  /** Whoever may give addresses holds none that another one has. Throws what has gone wrong. */
  #look(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#lookForGone();
    const holders = new Map<string, string>();
    for (const node of this.#nodes) {
      for (const { address, owner } of node.given()) {
        const other = holders.get(address) ?? this.truth.live.get(address)?.owner ?? owner;
        if (other !== owner) this.truth.fail(`${node.name} has given ${address} to ${owner}, and ${other} holds it`);
        holders.set(address, owner);
        const pod = this.truth.pods.get(owner);
        const isKnown = this.truth.live.has(address) || node.isPending(owner);
        if (pod !== undefined && !isKnown) this.truth.survive(address, pod);
      }
    }
  }

  /** All agents run, nothing is asked of them, and time passes. */
  async #comeToRest(): Promise<void> {
    this.#store.faults = undefined;
    for (const node of this.#nodes) node.start();
    for (const { process } of [...this.#nodes, ...this.#controllers]) {
      if (process !== undefined) Object.assign(process, { paused: false, reach: "well" });
    }
    await this.#rounds(4);
    this.#endAll();
    await this.#rounds(6);
  }

  #endAll(): void {
    for (const pod of [...this.truth.live.values()]) this.#nodeOf(pod.node).end(pod);
  }

  async #rounds(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#pass(GRACE / 5);
      for (const each of [...this.#nodes, ...this.#controllers]) each.tick();
      await this.#settle();
    }
  }

  async #settle(): Promise<void> {
    await turn();
    for (;;) {
      const step = await this.#store.step();
      if (step === "nothing") break;
      if (step === "told") await turn();
      this.#lookForGone();
    }
    this.#look();
  }

  /** Owners with a reservation get their address on whichever node they come up: one on each in turn, the others on some. */
  async #giveAllReserved(): Promise<void> {
    const traveller = this.#random.pick(STICKY);
    for (const key of STICKY) {
      const nodes = key === traveller ? this.#nodes : [this.#random.pick(this.#nodes)];
      const address = () => {
        const found = this.#store.document("reservations", reservationName(key));
        return (found?.value as ReservationRecord | undefined)?.addresses[0];
      };
      const before = address();
      for (const node of nodes) {
        const isHere = () => [...this.truth.live].some(([at, pod]) => at === address() && pod.node === node.name);
        for (let tries = 0; !isHere() && tries < 10; tries++) {
          node.add({ pool: "default", reservation: { owner: key, sticky: true } });
          await this.#settle();
          await this.#rounds(1);
        }
        if (!isHere()) this.truth.fail(`${key} gets no address on ${node.name}\n${this.#state()}`);
      }
      if (before !== undefined && before !== address()) this.truth.say(`${key} has another address than ${before}`);
    }
  }

  async #endReservations(): Promise<void> {
    for (const { name, revision } of this.#store.documents("reservations")) {
      void this.#operator.delete("reservations", name, revision).catch(() => {});
    }
    this.#endAll();
    await this.#rounds(6);
  }

  /** Together the nodes can give every address of the pool, the last ones borrowed. */
  async #giveAll(): Promise<void> {
    for (let tries = 0; this.truth.live.size < USABLE && tries < 30; tries++) {
      for (const node of this.#nodes) {
        node.add({ pool: "default" });
        await this.#settle();
      }
      await this.#rounds(1);
    }
    const lost = USABLE - this.truth.live.size;
    if (lost > 0) this.truth.fail(`${lost} addresses are lost\n${this.#state()}`);
  }

  #state(): string {
    const documents = ["blocks", "reservations"].flatMap((kind) => this.#store.documents(kind));
    const stored = documents.map(({ name, value }) => `${name} ${JSON.stringify(value)}`);
    const tables = this.#nodes.map(({ name, table }) => `${name} ${JSON.stringify(table.blocks())}`);
    return [...stored, ...tables].join("\n");
  }
}

function anyAddress(random: Random): string {
  return `10.0.0.${1 + random.below(USABLE)}`;
}

/** Lets what can go on without the store's answers do so: no call of an agent awaits more often than this in a row. */
async function turn(): Promise<void> {
  for (let i = 0; i < 40; i++) await undefined;
}
