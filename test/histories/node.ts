/** A simulated machine: its table of addresses outlasts the processes of its agent, and the pods outlast both. */

import { Addresses, type AddressRequest } from "../../src/agent/addresses.ts";
import { Garbage } from "../../src/agent/garbage.ts";
import { Membership } from "../../src/agent/membership.ts";
import { Reclaim } from "../../src/cluster/reclaim.ts";
import { AddressError, TryAgainError } from "../../src/core/errors.ts";
import { newProcess, type SimulatedProcess } from "../support/simulated-store.ts";
import { isOfStore, Loops } from "./loops.ts";
import { RememberingTable } from "./remembering-table.ts";
import type { Pod } from "./truth.ts";
import { COOL_DOWN, EPOCH, GRACE, IDLE, KEEP, SPARE, type World } from "./world.ts";

/** Milliseconds for which a pod has to be missing at two looks, and for which a path may be away at most. */
const MISSING = 200;
const FLICKER = 100;

/** By how many milliseconds the wall clocks of two machines, or of one before and after a restart, differ at most. */
const SKEW = 300;

/** One process of an agent, from its start to its crash. */
interface Agent {
  readonly process: SimulatedProcess;
  readonly addresses: Addresses;
  readonly loops: Loops;
}

export class SimulatedNode {
  readonly name: string;
  readonly table = new RememberingTable(":memory:");
  readonly #world: World;
  /** Undefined while the machine, or the agent on it, is down. */
  #agent: Agent | undefined;
  #boot = 1;
  /** The owners whose DEL has found no agent. */
  readonly #notes: string[] = [];
  /** Pods whose ADD has not been answered. */
  readonly #pending = new Set<Pod>();
  /** When the path of a pod's network namespace has been away for a moment; that happens to each once at most. */
  readonly #away = new Map<string, number>();

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
  }

  get process(): SimulatedProcess | undefined {
    return this.#agent?.process;
  }

  /** Whether the agent does what it is asked for. */
  get isAwake(): boolean {
    return this.#agent !== undefined && !this.#agent.process.paused;
  }

  /** Starts the agent, as often as it is not running. */
  start(): void {
    if (this.#agent !== undefined) return;
    const { truth, random, cluster, failed, settings } = this.#world;
    const { name, table } = this;
    const process = newProcess();
    const store = cluster(process);
    const offset = random.below(1_000_000);
    const skew = EPOCH + random.below(2 * SKEW) - SKEW;
    const boot = `boot-${this.#boot}`;
    const bootClock = () => truth.now + offset;
    const wallClock = () => truth.now + skew;
    const incarnation = `${name}-${this.#world.number()}`;
    const membership = new Membership(store, {
      node: name,
      incarnation,
      clock: bootClock,
      grace: GRACE,
      patience: GRACE,
    });
    const addresses = new Addresses(store, membership, table, {
      ...{ clock: wallClock, now: wallClock, coolDown: COOL_DOWN, spare: SPARE, idle: IDLE },
      keep: settings.controllers > 0 ? Number.POSITIVE_INFINITY : KEEP,
      lost: (owner) => this.#lose(owner),
      isGone: async (key) => ![...truth.pods.values()].some((pod) => pod.key === key),
    });
    const garbage = new Garbage({
      owners: () => table.owners.list(),
      netnsId: (path) => this.#netnsId(path),
      ...{ bootId: boot, clock: bootClock, patience: MISSING },
      release: (owner) => void addresses.release(owner),
    });
    garbage.releaseFormerBoots();
    const drain = () => {
      for (const owner of this.#notes.splice(0)) addresses.release(owner);
    };
    drain();
    let isMember = false;
    const loops = new Loops(failed);
    this.#agent = { process, addresses, loops };
    loops.start("beat", async () => {
      if (isMember && (await membership.beat())) return;
      await membership.join({ addresses: ["192.0.2.1/24"], modes: [], labels: {} });
      isMember = true;
    });
    loops.start("tend", async () => {
      if (isMember) await addresses.tend();
    });
    loops.start("watch", async () => addresses.reservations.note(await store.reservations.list()));
    loops.start("garbage", async () => {
      drain();
      for (const owner of garbage.look()) this.#collected(owner);
    });
    if (settings.controllers > 0) return;
    const reclaim = new Reclaim(store, { clock: bootClock, patience: GRACE });
    loops.start("look", async () => void (await reclaim.look()));
  }

  /** All that the agent does again and again, it does once more. */
  tick(): void {
    if (this.isAwake) this.#agent?.loops.tick();
  }

  /** One of the things that it does again and again. */
  tickOne(): void {
    if (this.isAwake) this.#agent?.loops.tickOne(this.#world.random);
  }

  /** An ADD. */
  add(request: AddressRequest): void {
    const { truth } = this.#world;
    const agent = this.#agent;
    if (agent === undefined || agent.process.paused) return;
    const key = request.reservation?.owner;
    const owner = `pod-${this.#world.number()}`;
    const pod: Pod = { node: this.name, owner, key };
    const place = { network: "net", containerId: owner, ifname: "eth0", netns: owner, netnsId: owner };
    const { owners } = this.table;
    owners.put({ owner, ...place, bootId: `boot-${this.#boot}`, podNamespace: null, podName: null, since: truth.now });
    truth.pods.set(owner, pod);
    this.#pending.add(pod);
    void agent.addresses.give(owner, request).then(
      (given) => {
        if (!this.#pending.delete(pod)) return;
        if (request.reservation?.fixed) truth.count("fixed");
        this.#world.guard(() => {
          for (const { address } of given) truth.hold(address, pod);
        });
      },
      (error: unknown) => {
        if (!this.#pending.delete(pod)) return;
        owners.remove(owner);
        truth.pods.delete(owner);
        const isRefusal = error instanceof TryAgainError || error instanceof AddressError;
        if (!isRefusal && !isOfStore(error)) this.#world.failed(error);
      },
    );
  }

  /** A pod ends: by DEL, which leaves a note where there is no agent; or without a word, and its namespace is gone. */
  end({ owner, key }: Pod): void {
    const { truth, random, failed } = this.#world;
    const agent = this.#agent;
    const isSilent = random.below(5) === 0;
    if (agent?.process.paused && !isSilent) return;
    truth.say(`${this.name}: ${owner} ends${isSilent ? " without a word" : ""}`);
    truth.end(owner, "released");
    if (isSilent) return;
    if (agent === undefined) this.#notes.push(owner);
    else agent.addresses.release(owner);
    const reservations = agent?.addresses.reservations;
    if (key !== undefined && reservations?.isFixed(key))
      reservations.unfix(key, true).catch((error: unknown) => {
        if (!isOfStore(error)) failed(error);
      });
  }

  /** The agent's process is killed. Runtimes take down whatever they get no answer for, or forget to. */
  crash(): void {
    const agent = this.#agent;
    if (agent === undefined) return;
    agent.process.dead = true;
    this.#agent = undefined;
    for (const { owner } of this.#pending) {
      this.#world.truth.end(owner, "its ADD has failed");
      if (this.#world.random.below(2) > 0) this.#notes.push(owner);
    }
    this.#pending.clear();
  }

  /** The machine loses its power, and with it all pods. */
  powerOff(): void {
    const { truth } = this.#world;
    this.crash();
    this.#boot++;
    this.#notes.length = 0;
    for (const pod of [...truth.pods.values()]) if (pod.node === this.name) truth.end(pod.owner, "has lost its power");
    truth.count("rebooted");
  }

  /** Others take its pods for dead. Of those that are not some are ended when somebody hears of it. */
  giveUp(): void {
    const { truth, random } = this.#world;
    for (const { node, owner } of [...truth.live.values()]) {
      if (node !== this.name) continue;
      if (random.below(2) > 0) truth.end(owner, "evicted, and ends");
      else truth.forget(owner, "evicted");
    }
  }

  /** Whether it may give addresses now, so that its table is what counts. */
  get maySwear(): boolean {
    return this.#agent !== undefined && this.#agent.addresses.problem() === undefined;
  }

  /** Who has the node's addresses, as far as it may swear to it. */
  given(): readonly { readonly address: string; readonly owner: string }[] {
    return this.maySwear ? this.table.given() : [];
  }

  isPending(owner: string): boolean {
    return [...this.#pending].some((pod) => pod.owner === owner);
  }

  /** Takes the addresses of a pod back that there is not any more, as a look of the garbage collection has decided. */
  #collected(owner: string): void {
    const { truth } = this.#world;
    truth.say(`${this.name}: ${owner} is gone without DEL`);
    truth.count("collected");
  }

  #lose(owner: string): void {
    const { truth } = this.#world;
    if ([...truth.live.values()].some((holder) => holder.owner === owner)) truth.count("handedOver");
    truth.end(owner, `${this.name} lost it`);
  }

  /** Which namespace is at a path: that of its owner, as long as there is the pod, but for a moment. */
  #netnsId(owner: string): string | undefined {
    const { truth, random } = this.#world;
    if (!truth.pods.has(owner)) return undefined;
    if (!this.#away.has(owner) && random.below(30) === 0) this.#away.set(owner, truth.now);
    return truth.now - (this.#away.get(owner) ?? Number.NEGATIVE_INFINITY) < FLICKER ? undefined : owner;
  }
}
