/**
 * Random histories of three agents on one store: claims, gives, releases, crashes, pauses, restarts, answers that come
 * late or never, requests that are carried out after their sender has given up. No address is held twice, and none is
 * lost for ever.
 */

import { type Random, randomFrom } from "../../../test/support/random.ts";
import { type SimulatedProcess, SimulatedStore } from "../../../test/support/simulated-store.ts";
import { clusterStore } from "../../cluster/cluster-store.ts";
import { Reclaim } from "../../cluster/reclaim.ts";
import {
  type BlockRecord,
  DOCUMENT_VERSION,
  type NodeRecord,
  type PoolRecord,
  type ReservationRecord,
  reservationName,
} from "../../core/cluster.ts";
import { AddressError, TryAgainError } from "../../core/errors.ts";
import { AddressTable } from "../../ipam/cluster/address-table.ts";
import { ConflictingWriteError, type Store, StoreUnavailableError } from "../../store/store.ts";
import { Addresses } from "../addresses.ts";
import { Membership } from "../membership.ts";

const ACTIONS = 60;
const GRACE = 1000;
const COOL_DOWN = 300;
const IDLE = 500;

/** Four blocks of four for three nodes, of which two addresses are never given. */
const POOL: PoolRecord = {
  version: DOCUMENT_VERSION,
  cidrs: ["10.0.0.0/28"],
  blockBits: { ipv4: 30, ipv6: 122 },
  nodeSelector: {},
  excluded: [],
  masquerade: true,
};
export const USABLE = 14;
const NODES = ["n1", "n2", "n3"];
/** Owners with addresses of their own: of the first addresses are made by their ADDs, of the others by an operator. */
const STICKY = ["default/web-0", "default/web-1", "default/web-2"];
const RESERVED = ["default/db-0", "default/db-1"];

/** What the histories are about. */
export type Happening = "given" | "givenUp" | "borrowed" | "moved" | "handedOver" | "ended" | "forgotten";

/** One process of an agent, from its start to its crash. */
interface Running {
  readonly process: SimulatedProcess;
  readonly addresses: Addresses;
  /** Lets its loop go round once more; undefined while it is on its way. */
  tick: (() => void) | undefined;
}

class History {
  readonly #random: Random;
  readonly #store: SimulatedStore;
  readonly #tables = new Map(NODES.map((node) => [node, new AddressTable(":memory:")]));
  readonly #running = new Map<string, Running>();
  /** What each address is used for, in truth. */
  readonly #live = new Map<string, { readonly node: string; readonly owner: string }>();
  /** The pods that each node has to forget, because it was given up. */
  readonly #evicted = new Map<string, string[]>(NODES.map((node) => [node, []]));
  readonly #gone = new Set<string>();
  readonly #log: string[] = [];
  #now = 0;
  #count = 0;
  /** How often what the test is about has happened. */
  readonly happened: Record<Happening, number> = {
    given: 0,
    givenUp: 0,
    borrowed: 0,
    moved: 0,
    handedOver: 0,
    ended: 0,
    forgotten: 0,
  };
  /** Where each owner of a reservation last was, with which address. */
  readonly #seen = new Map<string, { readonly node: string; readonly address: string }>();
  readonly #operator: Store;

  constructor(random: Random, backing: Store) {
    this.#random = random;
    this.#store = new SimulatedStore(random, backing);
    this.#operator = this.#store.client({ dead: false, paused: false });
  }

  async run(): Promise<void> {
    this.#store.faulty = false;
    void this.#operator.create("pools", "default", POOL);
    await this.#settle();
    this.#store.faulty = true;
    for (const node of NODES) this.#start(node);
    for (let i = 0; i < ACTIONS; i++) await this.#act();
    await this.#comeToRest();
    await this.#giveAllReserved();
    await this.#endReservations();
    await this.#giveAll();
  }

  close(): void {
    for (const table of this.#tables.values()) table.close();
    for (const { process } of this.#running.values()) process.dead = true;
  }

  story(): string {
    return this.#log.join("\n");
  }

  async #act(): Promise<void> {
    const node = this.#random.pick(NODES);
    const running = this.#running.get(node) as Running;
    const chance = this.#random.below(100);
    if (chance < 20) await this.#burst();
    else if (chance < 35) this.#tick(running);
    else if (chance < 40) this.#pass(this.#random.below(GRACE / 5));
    else if (chance < 50) await this.#passAsUsual(this.#random.below(12));
    else if (chance < 66) this.#give(node, running);
    else if (chance < 76) this.#give(node, running, this.#random.pick([...STICKY, ...RESERVED]));
    else if (chance < 80) this.#operate();
    else if (chance < 92) this.#release();
    else if (chance < 95) this.#crash(node, running);
    else {
      running.process.paused = !running.process.paused;
      this.#say(`${node} ${running.process.paused ? "pauses" : "goes on"}`);
    }
  }

  /** Some of what is under way happens. */
  async #burst(): Promise<void> {
    for (let steps = this.#random.below(60); steps > 0 && (await this.#store.step()); steps--) await turn();
    this.#lookForGone();
    if (this.#random.below(4) === 0) this.#forgetNodes();
  }

  /** As a controller does: nodes that are given up and hold nothing are not known any more. */
  #forgetNodes(): void {
    const blocks = this.#store.documents("blocks").map(({ value }) => value as BlockRecord);
    for (const { name, value, revision } of this.#store.documents("nodes")) {
      const holds = blocks.some(({ node, lent }) => node === name || Object.values(lent).includes(name));
      if (!(value as NodeRecord).gone || holds) continue;
      this.#say(`${name} is forgotten`);
      this.happened.forgotten++;
      void this.#operator.delete("nodes", name, revision).catch(() => {});
    }
  }

  /** Time passes in which those that can do what they always do. */
  async #passAsUsual(rounds: number): Promise<void> {
    for (let i = 0; i < rounds; i++) {
      this.#pass(GRACE / 5);
      for (const running of this.#running.values()) this.#tick(running);
      await turn();
      await this.#burst();
    }
  }

  #say(line: string): void {
    this.#log.push(`${this.#now} ${line}`);
  }

  #pass(milliseconds: number): void {
    this.#now += milliseconds;
  }

  #tick(running: Running): void {
    if (running.process.paused) return;
    const { tick } = running;
    running.tick = undefined;
    tick?.();
  }

  #start(node: string): void {
    const process = { dead: false, paused: false };
    const store = clusterStore(this.#store.client(process), (sentence) => {
      throw new Error(sentence);
    });
    const clock = () => this.#now;
    this.#count++;
    const membership = new Membership(store, {
      node,
      incarnation: `${node}-${this.#count}`,
      clock,
      grace: GRACE,
      patience: GRACE,
    });
    const table = this.#tables.get(node) as AddressTable;
    const options = {
      clock,
      coolDown: COOL_DOWN,
      spare: 2,
      idle: IDLE,
      lost: (owner: string) => {
        if ([...this.#live.values()].some((holder) => holder.owner === owner)) this.happened.handedOver++;
        this.#forget(owner, `${node} lost it`);
      },
      keep: 3 * GRACE,
      now: () => this.#now,
    };
    const addresses = new Addresses(store, membership, table, options);
    const running: Running = { process, addresses, tick: undefined };
    this.#running.set(node, running);
    // As an agent does at its start with owners of which there is no attachment.
    const owners = new Set([...this.#live.values()].map(({ owner }) => owner));
    for (const owner of table.holders()) if (!owners.has(owner)) table.release(owner, this.#now);
    void this.#loop(node, running, membership, new Reclaim(store, { clock, patience: GRACE }));
  }

  async #loop(node: string, running: Running, membership: Membership, reclaim: Reclaim): Promise<void> {
    let joined = false;
    for (;;) {
      try {
        for (const owner of (this.#evicted.get(node) ?? []).splice(0)) running.addresses.release(owner);
        if (joined) joined = await membership.beat();
        else {
          await membership.join({ addresses: ["192.0.2.1/24"], modes: [], labels: {} });
          joined = true;
        }
        if (joined) {
          await running.addresses.tend();
          await reclaim.look();
        }
      } catch (error) {
        const isFine = error instanceof StoreUnavailableError || error instanceof ConflictingWriteError;
        if (!isFine) throw error;
      }
      await new Promise<void>((resolve) => {
        running.tick = resolve;
      });
    }
  }

  #give(node: string, { process, addresses }: Running, key?: string): void {
    if (process.paused) return;
    this.#count++;
    const owner = `pod-${this.#count}`;
    const reservation = key === undefined ? undefined : { owner: key, sticky: STICKY.includes(key) };
    void addresses.give(owner, { pool: "default", ...(reservation && { reservation }) }).then(
      (given) => {
        if (process.dead) return;
        for (const { address } of given) this.#hold(address, node, owner, key);
      },
      (error) => {
        const isFine =
          error instanceof TryAgainError || error instanceof AddressError || error instanceof StoreUnavailableError;
        if (!isFine) this.#fail(`give failed: ${error}`);
      },
    );
  }

  #hold(address: string, node: string, owner: string, key?: string): void {
    this.#lookForGone();
    const holder = this.#live.get(address);
    this.#say(`${node} gives ${address} to ${owner}`);
    if (holder !== undefined) this.#fail(`${address} is held by ${holder.owner} of ${holder.node}`);
    this.#live.set(address, { node, owner });
    this.happened.given++;
    if (key === undefined) {
      if (this.#isBorrowed(address, node)) this.happened.borrowed++;
      const kept = this.#store.documents("blocks").find(({ value }) => (value as BlockRecord).reserved?.[address]);
      // What is set aside at this moment may have been given in the moment before.
      if (kept !== undefined) this.#say(`${address} is reserved in ${kept.name} by now`);
      return;
    }
    const seen = this.#seen.get(key);
    if (seen !== undefined && seen.address === address && seen.node !== node) this.happened.moved++;
    this.#seen.set(key, { node, address });
  }

  /** The operator reserves an address, or takes a reservation away, or has it end. */
  #operate(): void {
    const owner = this.#random.pick([...RESERVED, ...STICKY]);
    const found = this.#store.documents("reservations").find(({ name }) => name === reservationName(owner));
    if (found !== undefined && (STICKY.includes(owner) || this.#random.below(2) > 0)) {
      this.#say(`the operator deletes the reservation of ${owner}`);
      this.happened.ended++;
      void this.#operator.delete("reservations", found.name, found.revision).catch(() => {});
    } else if (found === undefined && RESERVED.includes(owner)) {
      const address = `10.0.0.${1 + this.#random.below(14)}`;
      this.#say(`the operator reserves ${address} for ${owner}`);
      const expires = new Date(this.#now + this.#random.below(6 * GRACE)).toISOString();
      const record: ReservationRecord = { version: DOCUMENT_VERSION, addresses: [address], owner, expires };
      void this.#operator.create("reservations", reservationName(owner), record).catch(() => {});
    }
  }

  #isBorrowed(address: string, node: string): boolean {
    return this.#store.documents("blocks").some(({ value }) => (value as BlockRecord).lent[address] === node);
  }

  #fail(why: string): never {
    throw new Error(`${why} (TENDRIL_TEST_SEED=${this.#random.seed} TENDRIL_TEST_HISTORIES=1)\n${this.story()}`);
  }

  #release(): void {
    const all = [...this.#live];
    if (all.length === 0) return;
    const [address, { node, owner }] = this.#random.pick(all);
    const { process, addresses } = this.#running.get(node) as Running;
    if (process.paused) return;
    this.#live.delete(address);
    this.#say(`${node} releases ${address} of ${owner}`);
    addresses.release(owner);
  }

  #crash(node: string, { process }: Running): void {
    process.dead = true;
    this.#say(`${node} crashes and starts again`);
    this.#start(node);
  }

  /** The pods of a node that is given up count as dead. */
  #lookForGone(): void {
    for (const { name, value } of this.#store.documents("nodes")) {
      if (!(value as NodeRecord).gone) this.#gone.delete(name);
      else if (!this.#gone.has(name)) {
        this.#gone.add(name);
        this.#say(`${name} is given up`);
        this.happened.givenUp++;
        for (const { node, owner } of [...this.#live.values()]) {
          if (node !== name) continue;
          this.#forget(owner, "evicted");
          this.#evicted.get(name)?.push(owner);
        }
      }
    }
  }

  #forget(owner: string, why: string): void {
    for (const [address, holder] of this.#live) {
      if (holder.owner !== owner) continue;
      this.#say(`${address} of ${owner}: ${why}`);
      this.#live.delete(address);
    }
  }

  /** All agents run, nothing is asked of them, and time passes. */
  async #comeToRest(): Promise<void> {
    this.#store.faulty = false;
    for (const { process } of this.#running.values()) process.paused = false;
    await this.#rounds(4);
    for (const [address, { node, owner }] of [...this.#live]) {
      this.#live.delete(address);
      this.#running.get(node)?.addresses.release(owner);
    }
    await this.#rounds(10);
  }

  async #rounds(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#pass(GRACE / 10);
      for (const running of this.#running.values()) this.#tick(running);
      await this.#settle();
    }
  }

  async #settle(): Promise<void> {
    await turn();
    while (await this.#store.step()) await turn();
    this.#lookForGone();
  }

  /** Every owner with a reservation gets its address, on whichever node it comes up. */
  async #giveAllReserved(): Promise<void> {
    for (const key of STICKY) {
      const address = () => {
        const found = this.#store.documents("reservations").find(({ name }) => name === reservationName(key));
        return (found?.value as ReservationRecord | undefined)?.addresses[0];
      };
      const before = address();
      for (const node of NODES) {
        const isHere = () => [...this.#live].find(([at, holder]) => at === address() && holder.node === node);
        for (let tries = 0; isHere() === undefined && tries < 10; tries++) {
          this.#give(node, this.#running.get(node) as Running, key);
          await this.#settle();
          await this.#rounds(2);
        }
        if (isHere() === undefined) this.#fail(`${key} gets no address on ${node}\n${this.#state()}`);
      }
      if (before !== undefined && before !== address()) this.#say(`${key} has got another address than ${before}`);
    }
  }

  async #endReservations(): Promise<void> {
    for (const { name, revision } of this.#store.documents("reservations")) {
      void this.#operator.delete("reservations", name, revision);
    }
    for (const [address, { node, owner }] of [...this.#live]) {
      this.#live.delete(address);
      this.#running.get(node)?.addresses.release(owner);
    }
    await this.#rounds(10);
  }

  /** Together the nodes can give every address of the pool, the last ones borrowed. */
  async #giveAll(): Promise<void> {
    for (let tries = 0; this.#live.size < USABLE && tries < 30; tries++) {
      for (const node of NODES) {
        this.#give(node, this.#running.get(node) as Running);
        await this.#settle();
      }
      await this.#rounds(1);
    }
    if (this.#live.size === USABLE) return;
    this.#fail(`${USABLE - this.#live.size} addresses are lost\n${this.#state()}`);
  }

  #state(): string {
    const documents = ["blocks", "reservations"].flatMap((kind) => this.#store.documents(kind));
    const stored = documents.map(({ name, value }) => `${name} ${JSON.stringify(value)}`);
    const tables = [...this.#tables].map(([name, table]) => `${name} ${JSON.stringify(table.blocks())}`);
    return [...stored, ...tables].join("\n");
  }
}

/** Lets what can go on without the store's answers do so: no call of an agent awaits more often than this in a row. */
async function turn(): Promise<void> {
  for (let i = 0; i < 40; i++) await undefined;
}

/** A store for one history, empty, and what takes it away. */
export type MakeStore = () => Promise<{ readonly store: Store; dispose(): Promise<void> }>;

/** Runs so many histories, each on a store of its own, and returns how often what they are about has happened. */
export async function runHistories(seed: number, count: number, make: MakeStore): Promise<Record<Happening, number>> {
  const happened = { given: 0, givenUp: 0, borrowed: 0, moved: 0, handedOver: 0, ended: 0, forgotten: 0 };
  let failure: unknown;
  const remember = (error: unknown) => {
    failure ??= error;
  };
  process.on("unhandledRejection", remember);
  try {
    for (let i = 0; i < count; i++) {
      const { store, dispose } = await make();
      const history = new History(randomFrom(seed + i), store);
      try {
        await history.run();
      } finally {
        history.close();
        await dispose();
      }
      if (failure !== undefined) throw failure;
      for (const what of Object.keys(happened) as Happening[]) happened[what] += history.happened[what];
    }
  } finally {
    process.off("unhandledRejection", remember);
  }
  return happened;
}
