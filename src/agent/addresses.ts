/**
 * The addresses of a node's pods: blocks claimed in the store, addresses given out of them by the node's own table.
 *
 * A claim is one document created under the block's name, so a block has one node; and within a block the table gives
 * each address once. So an ADD needs the store only when the node's blocks are used up.
 */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import { formatCidr } from "../core/cidr.ts";
import { type PoolRecord, selects } from "../core/cluster.ts";
import { AddressError, TryAgainError } from "../core/errors.ts";
import { addressBits, alone, type Family, formatIp, parseIp } from "../core/ip.ts";
import { type AddressTable, type GivenAddress, WARM } from "../ipam/cluster/address-table.ts";
import { blockName, blockOf, familiesOf, gatewayOf, isUsable } from "../ipam/cluster/blocks.ts";
import type { Document } from "../store/collection.ts";
import { type AddressesOptions, apartOf, NoneFreeError, reservationOfPool } from "./holdings.ts";
import { Home } from "./home.ts";
import type { Membership } from "./membership.ts";
import { NodeBlocks } from "./node-blocks.ts";
import { Reservations } from "./reservations.ts";

/** What is asked for an attachment: an address of each of a pool's families. */
export interface AddressRequest {
  readonly pool: string;
  /** Certain addresses, one of a family at most, instead of any. */
  readonly addresses?: readonly string[];
  /** Whose reservation is used where there is one, and whether one is made where there is none. */
  readonly reservation?: ReservationWish;
}

export interface ReservationWish {
  readonly owner: string;
  readonly sticky: boolean;
  /** Addresses that are to be kept for the owner as long as its pod exists; one of a family at most. */
  readonly fixed?: readonly string[];
}

/** What a node has of a pool. */
export interface PoolUse {
  readonly name: string;
  readonly family: Family;
  readonly blocks: number;
  readonly free: number;
  readonly used: number;
}

export class Addresses {
  readonly reservations: Reservations;
  readonly #blocks: NodeBlocks;
  readonly #membership: Membership;
  readonly #table: AddressTable;
  readonly #options: AddressesOptions;
  readonly #home: Home;
  /** What asks the store does so one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: ClusterStore, membership: Membership, table: AddressTable, options: AddressesOptions) {
    this.#membership = membership;
    this.#table = table;
    this.#options = options;
    const { territory = () => undefined } = options;
    this.#home = new Home({ node: membership.node, table, territory });
    const holdings = { store, membership, table, home: this.#home, options };
    this.#blocks = new NodeBlocks(holdings, (block) => this.reservations.inBlock(block));
    this.reservations = new Reservations(holdings, {
      pools: () => this.#blocks.pools,
      claimThis: (pool, block, cidr) => this.#blocks.claimThis(pool, block, cidr),
      choose: (pool, family) => this.#blocks.choose(pool, family),
    });
  }

  /**
   * Gives an owner an address of each of the pools' families, the same ones when it asks again. Throws TryAgainError
   * when there is none, or when the node may have been given up; AddressError for a certain address that cannot be had;
   * StoreUnavailableError.
   */
  async give(owner: string, ...requests: readonly AddressRequest[]): Promise<GivenAddress[]> {
    let given = this.#table.of(owner);
    if (given.length > 0) return given;
    try {
      for (const request of requests) {
        this.#home.require(request.pool);
        const before = given;
        if (!this.#giveAtOnce(owner, request, before)) {
          await this.#serially(() => this.#giveSlowly(owner, request, before));
        }
        given = this.#table.of(owner);
      }
      return given;
    } catch (error) {
      this.#table.release(owner, this.#options.clock());
      throw error;
    }
  }

  /** Takes an owner's addresses back, and returns them; they cool down. Works without the store. */
  release(owner: string): GivenAddress[] {
    this.#table.owners.remove(owner);
    return this.#table.release(owner, this.#options.clock());
  }

  /** What is in hand; false when it does not suffice. */
  #giveAtOnce(
    owner: string,
    { pool: poolName, addresses, reservation }: AddressRequest,
    served: readonly GivenAddress[],
  ): boolean {
    const pool = this.#blocks.pools.get(poolName);
    if (pool === undefined) return false;
    if (addresses !== undefined) {
      for (const address of addresses) this.#home.requireAddress(poolName, address);
      return addresses.every((address) => this.#takeThis(owner, poolName, address));
    }
    if (reservation !== undefined && this.#isReserved(reservation)) {
      this.#blocks.requireSafe();
      if (!this.reservations.giveAtOnce(owner, reservation.owner, reservation.fixed)) return false;
    }
    const { clock, coolDown } = this.#options;
    const families = reservation === undefined ? familiesOf(pool.value) : this.#missing(owner, pool, served);
    return families.every((family) => this.#take(owner, pool, family, clock() - coolDown));
  }

  #isReserved({ owner, sticky, fixed = [] }: ReservationWish): boolean {
    return sticky || fixed.length > 0 || this.reservations.isKnown(owner);
  }

  /** The families of a pool of which the owner has no address yet, apart from those that serve another request. */
  #missing(owner: string, { value }: Document<PoolRecord>, served: readonly GivenAddress[]): Family[] {
    const others = new Set(served.map(({ address }) => address));
    const has = this.#table.of(owner).filter(({ address }) => !others.has(address));
    return familiesOf(value).filter((family) => !has.some((each) => each.family === family));
  }

  async #giveSlowly(
    owner: string,
    { pool: poolName, addresses, reservation }: AddressRequest,
    served: readonly GivenAddress[],
  ): Promise<void> {
    const pool = await this.#blocks.readPool(poolName);
    if (pool === undefined) throw new AddressError(`There is no pool "${poolName}"`);
    if (addresses !== undefined) return this.#giveThese(owner, pool, addresses);
    if (reservation !== undefined && this.#missing(owner, pool, served).length > 0) {
      await this.#giveReserved(owner, pool, reservation);
    }
    for (const family of this.#missing(owner, pool, served)) await this.#giveAny(owner, pool, family);
  }

  async #giveReserved(owner: string, pool: Document<PoolRecord>, wish: ReservationWish): Promise<void> {
    const { owner: key, sticky, fixed = [] } = wish;
    if (fixed.length === 0 && this.reservations.isFixed(key)) await this.reservations.unfix(key);
    else if (!this.#isReserved(wish)) return;
    if (pool.value.gateways && fixed.length > 0) return this.#giveThese(owner, pool, fixed);
    if (pool.value.gateways) {
      throw new AddressError(
        `No address of pool "${pool.name}" can follow its owner: each block is a node's own subnet`,
      );
    }
    const mayGive = () => this.#blocks.requireSafe();
    mayGive();
    if (fixed.length > 0) await this.reservations.fix(key, fixed);
    while (!(await this.reservations.give(owner, key, mayGive))) {
      if (fixed.length > 0) await this.reservations.fix(key, fixed);
      else if (!sticky) return;
      else await this.reservations.make(key, pool, familiesOf(pool.value));
    }
  }

  /** Certain addresses: those of blocks in hand, of a block that is nobody's yet, or that another node offers. */
  async #giveThese(owner: string, pool: Document<PoolRecord>, addresses: readonly string[]): Promise<void> {
    const has = new Set(this.#table.of(owner).map(({ address }) => address));
    for (const address of addresses) {
      this.#home.requireAddress(pool.name, address);
      if (has.has(address) || this.#takeThis(owner, pool.name, address)) continue;
      const ip = parseIp(address);
      const block = ip && blockOf(pool.value, ip);
      if (block === undefined) throw new AddressError(`Address "${address}" is not of pool "${pool.name}"`);
      if (!isUsable(pool.value, blockName(block), address)) {
        throw new AddressError(`Address "${address}" of pool "${pool.name}" is none that a pod can have`);
      }
      const name = blockName(block);
      if (selects(pool.value, this.#membership.labels)) {
        await this.#blocks.claimThis(pool, name, formatCidr(block));
        await this.#blocks.lending.borrowThis(name, address);
      }
      if (this.#takeThis(owner, pool.name, address)) continue;
      throw new AddressError(`Address "${address}" is in use, or not of a block of node "${this.#membership.node}"`);
    }
  }

  #takeThis(owner: string, pool: string, address: string): boolean {
    this.#blocks.requireSafe();
    return this.#table.takeThis(address, pool, owner, this.#options.clock());
  }

  /**
   * One that has cooled down; else of a new block; else still warm; else of another pool's block that it has part in;
   * else offered to others; else a borrowed one.
   */
  async #giveAny(owner: string, pool: Document<PoolRecord>, family: Family): Promise<void> {
    const { clock, coolDown } = this.#options;
    if (this.#take(owner, pool, family, clock() - coolDown)) return;
    if ((await this.#blocks.claim(pool, family)) && this.#take(owner, pool, family, clock() - coolDown)) return;
    if (this.#take(owner, pool, family, WARM)) return;
    if (this.#takeShared(owner, pool, family)) return;
    if ((await this.#blocks.lending.takeBackOffers(pool, family)) && this.#take(owner, pool, family, WARM)) return;
    const borrowed = await this.#blocks.lending.borrow(pool, family);
    if (borrowed !== undefined && this.#takeThis(owner, borrowed.pool, borrowed.address)) return;
    const exhaustion = this.#home.exhaustion(pool.name, family);
    if (exhaustion === undefined) throw new NoneFreeError(pool.name, family);
    throw new TryAgainError(exhaustion.sentence, { details: exhaustion.remedy });
  }

  /** Where pools overlap, a block that has been claimed for another one may have addresses of this one. */
  #takeShared(owner: string, pool: Document<PoolRecord>, family: Family): boolean {
    if (this.#home.isParted(pool.name)) return false;
    for (const block of this.#table.blocks()) {
      if (block.family !== family || block.pool === pool.name || reservationOfPool(block.pool) !== undefined) continue;
      const home = apartOf(block.block)?.block ?? block.block;
      const shared = this.#table.freeIn(block.block).find((address) => isUsable(pool.value, home, address));
      if (shared !== undefined && this.#takeThis(owner, block.pool, shared)) return true;
    }
    return false;
  }

  /** Gives an address in the same turn as it asks whether it may. */
  #take(owner: string, { name }: Document<PoolRecord>, family: Family, cooledBefore: number): boolean {
    this.#blocks.requireSafe();
    return this.#table.take({ pool: name, family }, owner, this.#options.clock(), cooledBefore) !== undefined;
  }

  /**
   * What is done after joining, and then from time to time. Table and store are brought together; what is reserved is set
   * aside, or handed over to the node that asks for it; a block is claimed before the last one is used up, and given back
   * when it has been empty for long; addresses are offered to others while a pool has no block left, and borrowed ones go
   * back. Throws StoreUnavailableError; then it is to be done again.
   */
  tend(): Promise<void> {
    return this.#serially(async () => {
      const blocks = await this.#blocks.reconcile();
      await this.reservations.tend(blocks);
      await this.#blocks.tend();
    });
  }

  /**
   * Why an ADD could not succeed now, as far as is known without the store: a sentence and what to do; or undefined.
   * Without a pool, what concerns all of them.
   */
  problem(poolName?: string): { readonly sentence: string; readonly remedy: string } | undefined {
    const { node } = this.#membership;
    if (!this.#blocks.isSafe()) {
      const sentence = `Node "${node}" has not reached the store for too long to give addresses`;
      return { sentence, remedy: "Bring the store back, or look into the agent's log for why it cannot be reached." };
    }
    if (poolName === undefined) return undefined;
    const pool = this.#blocks.pools.get(poolName);
    if (pool === undefined) {
      return { sentence: `There is no pool "${poolName}"`, remedy: "Make it: tendril pool create." };
    }
    for (const family of familiesOf(pool.value)) {
      if (!this.#blocks.isFull(poolName, family) || this.#blocks.freeOf(poolName, family) > 0) continue;
      return (
        this.#home.exhaustion(poolName, family) ?? {
          sentence: `Pool "${poolName}" has no free IPv${family} address for node "${node}", and no free block`,
          remedy: `Make it larger (tendril pool resize ${poolName}), add a pool, or remove pods.`,
        }
      );
    }
    return undefined;
  }

  /** What the node has of each pool and family that it has blocks of; borrowed addresses are counted with their pool. */
  use(): PoolUse[] {
    const uses = new Map<string, PoolUse>();
    for (const { block, pool, family, free, used } of this.#table.blocks()) {
      const name = reservationOfPool(pool) === undefined ? pool : (this.#poolOf(block) ?? pool);
      const before = uses.get(`${family} ${name}`) ?? { name, family, blocks: 0, free: 0, used: 0 };
      const blocks = before.blocks + (apartOf(block) === undefined ? 1 : 0);
      uses.set(`${family} ${name}`, { ...before, blocks, free: before.free + free, used: before.used + used });
    }
    return [...uses.values()];
  }

  /** The pool of an address that is held apart. */
  #poolOf(block: string): string | undefined {
    const ip = parseIp(apartOf(block)?.address ?? "");
    return ip && [...this.#blocks.pools.values()].find(({ value }) => blockOf(value, ip) !== undefined)?.name;
  }

  /** Whether an address of a pool is the node's to give. */
  isHome(pool: string, address: string): boolean {
    return this.#home.holds(pool, alone(address));
  }

  /** To be called when the part of a pool that is the node's is another one: nothing else is given from then on. */
  keepHome(): void {
    this.#home.keep();
  }

  /** Whether a pool was there when the node last looked. */
  knowsPool(name: string): boolean {
    return this.#blocks.pools.has(name);
  }

  /** The addresses that an ADD would be given out of a pool's blocks in hand; nothing changes. */
  next(pool: string): string[] {
    const found = this.#blocks.pools.get(pool);
    if (found === undefined) return [];
    return familiesOf(found.value).flatMap((family) => this.#table.peek({ pool, family }) ?? []);
  }

  /** The subnet of an address of a pool that is known, and its gateway where the pool has such. */
  subnetOf(address: string): { readonly bits: number; readonly gateway: string | undefined } | undefined {
    const ip = parseIp(address);
    if (ip === undefined) return undefined;
    for (const { value } of this.#blocks.pools.values()) {
      const block = blockOf(value, ip);
      if (block === undefined) continue;
      return value.gateways
        ? { bits: block.bits, gateway: formatIp(gatewayOf(block)) }
        : { bits: addressBits(ip.family), gateway: undefined };
    }
    return undefined;
  }

  async #serially<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
