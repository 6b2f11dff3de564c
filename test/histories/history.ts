/**
 * Random histories of three agents on one store: claims, gives, releases, crashes, pauses, restarts, machines that are away
 * past their epoch, answers that come late or never, requests that are carried out after their sender has given up. No
 * address is held twice, and none is lost for ever.
 */

import type { ReservationWish } from "../../src/agent/addresses.ts";
import type { Store } from "../../src/store/store.ts";
import type { Random } from "../support/random.ts";
import { SimulatedCluster, turn } from "./cluster.ts";
import type { SimulatedController } from "./controller.ts";
import { endWell } from "./ending.ts";
import type { SimulatedNode } from "./node.ts";
import { Operator } from "./operator.ts";
import { anyAddress, FIXED, RESERVED, STICKY } from "./owners.ts";
import type { Truth } from "./truth.ts";
import { GRACE, type Pools } from "./world.ts";

const ACTIONS = 60;

export class History {
  readonly truth: Truth;
  readonly #random: Random;
  readonly #cluster: SimulatedCluster;
  readonly #operator: Operator;

  constructor(random: Random, backing: Store, pools: Pools) {
    this.#random = random;
    this.#cluster = new SimulatedCluster(random, backing, pools);
    this.#operator = new Operator(this.#cluster);
    this.truth = this.#cluster.truth;
  }

  /** Throws with the story and the seed when something has gone wrong. */
  async run(): Promise<void> {
    const { store, nodes } = this.#cluster;
    this.#operator.makePools();
    await this.#cluster.settle();
    const late = this.#random.pick([0, 3, 10]);
    store.faults = { late, lost: 1, unanswered: this.#random.pick([0, 2, 5]) };
    for (const node of nodes) node.start();
    for (let i = 0; i < ACTIONS; i++) {
      if (this.#random.below(40) === 0) await this.#absence(this.#random.pick(nodes));
      else await this.#act();
      this.#cluster.look();
    }
    await endWell(this.#cluster, this.#operator);
  }

  close(): void {
    this.#cluster.close();
  }

  async #act(): Promise<void> {
    const { nodes, all } = this.#cluster;
    const node = this.#random.pick(nodes);
    const chance = this.#random.below(100);
    if (chance < 20) await this.#burst(60);
    else if (chance < 30) node.tick();
    else if (chance < 35) node.tickOne();
    else if (chance < 40) this.#cluster.pass(this.#random.below(GRACE / 5));
    else if (chance < 48) await this.#passAsUsual(this.#random.below(10));
    else if (chance < 74) this.#add(node);
    else if (chance < 80) this.#operator.act();
    else if (chance < 90) this.#end();
    else if (chance < 93) this.#restart(node);
    else if (chance < 95) this.#disturb(this.#random.pick(all));
    else this.#pause(this.#random.pick(all));
  }

  /** Some of what is under way happens. */
  async #burst(most: number): Promise<void> {
    await this.#cluster.steps(this.#random.below(most));
    if (this.#random.below(4) === 0) this.#operator.forgetNodes();
  }

  /** Time passes in which those that can do what they always do. */
  async #passAsUsual(rounds: number): Promise<void> {
    for (let i = 0; i < rounds; i++) {
      await this.#cluster.tick();
      await this.#burst(160);
    }
  }

  /** A node is away for long, in one way or another, while others go on; and is asked for addresses at once thereafter. */
  async #absence(node: SimulatedNode): Promise<void> {
    const cluster = this.#cluster;
    const owner = this.#random.pick([...STICKY, ...RESERVED]);
    node.add({ pool: this.#cluster.anyPool(), reservation: { owner, sticky: STICKY.includes(owner) } });
    await this.#passAsUsual(1 + this.#random.below(2));
    const how = this.#random.pick(["paused", "down", "off", "not", "slowly"] as const);
    this.truth.say(`${node.name} is away: ${how}`);
    this.truth.count("absent");
    if (how === "down") node.crash();
    else if (how === "off") node.powerOff();
    else if (node.process !== undefined && how === "paused") node.process.paused = true;
    else if (node.process !== undefined) node.process.reach = how as "not" | "slowly";
    const until = this.#random.pick(["some time later", "it is given up", "it is being freed"] as const);
    const isGone = () => until !== "some time later" && cluster.isGone(node.name);
    const isOver = () => isGone() && (until === "it is given up" || cluster.store.isAsked("update blocks"));
    for (let i = 4 + this.#random.below(10); i > 0 && !isOver(); i--) {
      await cluster.tick();
      await cluster.steps(this.#random.below(160), isOver);
      if (this.#random.below(2) > 0) this.#add(this.#random.pick(cluster.nodes));
      else if (this.#random.below(3) === 0) this.#end();
      if (this.#random.below(3) === 0) this.#operator.forgetNodes();
      cluster.look();
    }
    if (until === "it is given up") await cluster.steps(this.#random.below(16));
    await this.#comeBack(node, until === "it is being freed" ? "slowly" : "well");
  }

  /** While some of the others are slow, or at first all. */
  async #comeBack(node: SimulatedNode, others: "slowly" | "well"): Promise<void> {
    this.truth.say(`${node.name} is back`);
    node.start();
    if (node.process !== undefined) Object.assign(node.process, { paused: false, reach: "well" });
    const { all } = this.#cluster;
    const processes = all.flatMap((each) => (each === node || each.process?.reach !== "well" ? [] : each.process));
    const setReach = (reach: "well" | "slowly") => Object.assign(this.#random.pick(processes) ?? {}, { reach });
    for (const process of processes) process.reach = others;
    node.tick();
    for (let i = this.#random.below(40); i > 0; i--) {
      const chance = this.#random.below(12);
      if (chance < 2) setReach("slowly");
      else if (chance < 3) setReach("well");
      else if (chance < 7) this.#add(node);
      else node.tickOne();
      await turn();
      await this.#cluster.steps(this.#random.below(8));
      this.#cluster.look();
    }
    for (const process of processes) process.reach = "well";
  }

  #add(node: SimulatedNode): void {
    const chance = this.#random.below(100);
    const pool = this.#cluster.anyPool();
    const ask = (reservation: ReservationWish) => node.add({ pool, reservation });
    if (chance < 58) node.add({ pool });
    else if (chance < 62) node.add({ pool, addresses: [anyAddress(this.#random)] });
    else if (chance < 82) ask({ owner: this.#random.pick(STICKY), sticky: true });
    else if (chance < 92) ask({ owner: this.#random.pick(RESERVED), sticky: false });
    else {
      const owner = this.#random.pick(Object.keys(FIXED));
      ask({ owner, sticky: false, fixed: [FIXED[owner] as string] });
    }
  }

  #end(): void {
    const pods = [...this.truth.live.values()];
    if (pods.length === 0) return;
    const pod = this.#random.pick(pods);
    this.#cluster.nodeOf(pod.node).end(pod);
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
}
