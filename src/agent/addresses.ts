/**
 * The addresses of a node's pods: blocks claimed in the store, addresses given out of them by the node's own table.
 *
 * A claim is one document created under the block's name, so a block has one node; and within a block the table gives
 * each address once. So an ADD needs the store only when the node's blocks are used up.
 *
 * A change whose answer did not come may have been made, may not have been, or may be made later. So what was to leave
 * the table stays closed until the store confirms that it has left, and what was to come back comes back only after the
 * document has been written again, which makes a late change of its earlier state fail.
 */

import { formatCidr } from "../core/cidr.ts";
import { type BlockRecord, cidrOf, DOCUMENT_VERSION, type PoolRecord } from "../core/cluster.ts";
import { AddressError, TryAgainError } from "../core/errors.ts";
import type { Family } from "../core/ip.ts";
import { hash64 } from "../core/names.ts";
import type { AddressTable, BlockCount, GivenAddress } from "../ipam/cluster/address-table.ts";
import { blockName, freeBlock, poolNetwork, usableAddresses } from "../ipam/cluster/blocks.ts";
import type { Document, Documents } from "../store/collection.ts";
import type { ClusterStore } from "./cluster-store.ts";
import type { Membership } from "./membership.ts";
import { ifUnchanged } from "./reclaim.ts";

export interface AddressesOptions {
  /** Milliseconds of a clock that goes on across restarts, for the table. */
  readonly clock: () => number;
  /** Milliseconds after its release before an address is given again, as long as there are others. */
  readonly coolDown: number;
  /** How many free addresses of a pool in use a node has in hand. */
  readonly spare: number;
  /** Milliseconds after which a block that nobody uses goes back to the pool. */
  readonly idle: number;
  /** Told of an owner whose addresses are another node's by now, because this one had been given up. */
  readonly lost: (owner: string) => void;
}

/** What is asked for an attachment. */
export interface AddressRequest {
  readonly pool: string;
  /** Certain addresses, one of a family at most, instead of any. */
  readonly addresses?: readonly string[];
}

const FAMILIES: readonly Family[] = [4, 6];

/** How the table calls what is borrowed of a block. */
const BORROWED = "borrowed:";

export class Addresses {
  readonly #store: ClusterStore;
  readonly #membership: Membership;
  readonly #table: AddressTable;
  readonly #options: AddressesOptions;
  /** As they were when the node last looked. */
  #pools: Documents<PoolRecord> = new Map();
  /** The epoch in which table and store have been brought together. */
  #reconciled: number | undefined;
  /** What asks the store does so one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: ClusterStore, membership: Membership, table: AddressTable, options: AddressesOptions) {
    this.#store = store;
    this.#membership = membership;
    this.#table = table;
    this.#options = options;
  }

  /**
   * Gives an owner an address of each of the pool's families, the same ones when it asks again. Throws TryAgainError
   * when there is none, or when the node may have been given up; AddressError for a certain address that cannot be had;
   * StoreUnavailableError.
   */
  async give(owner: string, request: AddressRequest): Promise<GivenAddress[]> {
    const given = this.#table.of(owner);
    if (given.length > 0) return given;
    try {
      if (request.addresses !== undefined) this.#giveThese(owner, request.addresses);
      else if (!this.#giveAtOnce(owner, request.pool))
        await this.#serially(() => this.#giveSlowly(owner, request.pool));
    } catch (error) {
      this.#table.release(owner, this.#options.clock());
      throw error;
    }
    return this.#table.of(owner);
  }

  /** Takes an owner's addresses back, and returns them; they cool down. Works without the store. */
  release(owner: string): GivenAddress[] {
    return this.#table.release(owner, this.#options.clock());
  }

  #giveThese(owner: string, addresses: readonly string[]): void {
    this.#requireSafe();
    for (const address of addresses) {
      if (this.#table.takeThis(address, owner, this.#options.clock())) continue;
      throw new AddressError(`Address "${address}" is in use, or not of a block of node "${this.#membership.node}"`);
    }
  }

  /** Out of the blocks in hand; false when they do not suffice. */
  #giveAtOnce(owner: string, poolName: string): boolean {
    const pool = this.#pools.get(poolName);
    if (pool === undefined) return false;
    const { clock, coolDown } = this.#options;
    return familiesOf(pool.value).every((family) => this.#take(owner, pool, family, clock() - coolDown));
  }

  async #giveSlowly(owner: string, poolName: string): Promise<void> {
    const pool = await this.#store.pools.get(poolName);
    if (pool === undefined) throw new AddressError(`There is no pool "${poolName}"`);
    const given = new Set(this.#table.of(owner).map(({ family }) => family));
    for (const family of familiesOf(pool.value)) {
      if (!given.has(family)) await this.#giveAny(owner, pool, family);
    }
  }

  /** One that has cooled down; else of a new block; else still warm; else offered to others; else a borrowed one. */
  async #giveAny(owner: string, pool: Document<PoolRecord>, family: Family): Promise<void> {
    const { clock, coolDown } = this.#options;
    if (this.#take(owner, pool, family, clock() - coolDown)) return;
    if ((await this.#claim(pool, family)) && this.#take(owner, pool, family, clock() - coolDown)) return;
    if (this.#take(owner, pool, family, clock())) return;
    if ((await this.#takeBackOffers(pool, family)) && this.#take(owner, pool, family, clock())) return;
    if ((await this.#borrow(pool, family)) && this.#take(owner, pool, family, clock())) return;
    throw new TryAgainError(`Pool "${pool.name}" has no free IPv${family} address left`, {
      details: "Add a pool or make this one larger.",
    });
  }

  /** Gives an address in the same turn as it asks whether it may. */
  #take(owner: string, { name }: Document<PoolRecord>, family: Family, cooledBefore: number): boolean {
    this.#requireSafe();
    return this.#table.take({ pool: name, family }, owner, this.#options.clock(), cooledBefore) !== undefined;
  }

  #requireSafe(): void {
    if (this.#membership.isSafe() && this.#reconciled === this.#membership.epoch) return;
    throw new TryAgainError(`Node "${this.#membership.node}" has not reached the store for too long to give addresses`);
  }

  /** Claims a block of a pool. False when all are taken. Throws StoreUnavailableError. */
  async #claim(pool: Document<PoolRecord>, family: Family): Promise<boolean> {
    const { node, epoch } = this.#membership;
    const known = await this.#store.blocks.list();
    const lost = new Set<string>();
    for (;;) {
      const block = freeBlock(pool.value, family, (name) => known.has(name) || lost.has(name), seedOf(node));
      if (block === undefined) return false;
      const name = blockName(block);
      const cidr = formatCidr(block);
      const record = { version: DOCUMENT_VERSION, pool: pool.name, cidr, node, epoch, offered: [], lent: {} } as const;
      if (await ifUnchanged(() => this.#store.blocks.create(name, record))) {
        this.#add(name, pool.value, record);
        return true;
      }
      lost.add(name);
    }
  }

  #add(name: string, pool: PoolRecord, { pool: poolName, cidr }: BlockRecord): void {
    const block = cidrOf(cidr);
    this.#table.addBlock(name, { pool: poolName, family: block.ip.family }, usableAddresses(pool, block));
  }

  /** Borrows an address that another node offers. Throws StoreUnavailableError. */
  async #borrow(pool: Document<PoolRecord>, family: Family): Promise<boolean> {
    const { node } = this.#membership;
    for (const block of (await this.#store.blocks.list()).values()) {
      const { offered, lent, pool: poolName } = block.value;
      const [address, ...rest] = offered;
      if (address === undefined || poolName !== pool.name || familyOfBlock(block) !== family) continue;
      if (block.value.node === node) continue;
      const changed = { ...block.value, offered: rest, lent: { ...lent, [address]: node } };
      if (!(await ifUnchanged(() => this.#store.blocks.update(block, changed)))) continue;
      this.#addBorrowed(block, address);
      return true;
    }
    return false;
  }

  #addBorrowed({ name, value }: Document<BlockRecord>, address: string): void {
    const question = { pool: value.pool, family: cidrOf(value.cidr).ip.family };
    this.#table.addBlock(`${BORROWED}${address}:${name}`, question, [address]);
  }

  /**
   * What is done after joining, and then from time to time. Table and store are brought together; a block is claimed
   * before the last one is used up, and given back when it has been empty for long; addresses are offered to others
   * while a pool has no block left, and borrowed ones go back. Throws StoreUnavailableError; then it is to be done
   * again.
   */
  tend(): Promise<void> {
    return this.#serially(async () => {
      await this.#reconcile();
      for (const [pool, family] of this.#poolsInUse()) {
        const document = this.#pools.get(pool);
        if (document !== undefined) await this.#tendPool(document, family);
      }
    });
  }

  async #serially<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #reconcile(): Promise<void> {
    const { node, epoch } = this.#membership;
    const isAnew = this.#reconciled !== epoch;
    this.#pools = await this.#store.pools.list();
    const documents = await this.#store.blocks.list();
    for (const { block } of this.#table.blocks()) {
      const isKept = block.startsWith(BORROWED)
        ? await this.#keepsBorrowed(block, documents, isAnew)
        : await this.#keeps(block, documents);
      if (!isKept) for (const owner of this.#table.removeBlock(block)) this.#options.lost(owner);
    }
    const here = new Set(this.#table.blocks().map(({ block }) => block));
    for (const document of documents.values()) {
      const { value, name } = document;
      const pool = this.#pools.get(value.pool);
      // A claim whose answer did not come, or whose process was killed before it reached the table.
      if (value.node === node && !here.has(name) && pool !== undefined && (await this.#confirm(document))) {
        this.#add(name, pool.value, value);
      }
      for (const [address, borrower] of Object.entries(value.lent)) {
        if (borrower !== node || here.has(`${BORROWED}${address}:${name}`)) continue;
        const isLent = (now: Document<BlockRecord> | undefined) => now?.value.lent[address] === node;
        if (await this.#writeWhile(name, isLent, {})) this.#addBorrowed(document, address);
      }
    }
    this.#reconciled = epoch;
  }

  /** Whether a block in the table is the node's still. */
  async #keeps(block: string, documents: Documents<BlockRecord>): Promise<boolean> {
    const { node } = this.#membership;
    const document = documents.get(block);
    if (document?.value.node !== node || !(await this.#confirm(document))) return false;
    for (const address of this.#table.withheld(block)) {
      const isUnknown = (now: Document<BlockRecord> | undefined) =>
        now?.value.node === node && !now.value.offered.includes(address) && now.value.lent[address] === undefined;
      // An offer whose answer did not come may be made late: the document is written again, so that it fails.
      if (isUnknown(document) && (await this.#writeWhile(block, isUnknown, {}))) this.#table.restore(address);
    }
    return true;
  }

  /** Whether a borrowed address is the node's still, which in a new epoch has to be written again. */
  async #keepsBorrowed(block: string, documents: Documents<BlockRecord>, isAnew: boolean): Promise<boolean> {
    const { address, name } = borrowedOf(block);
    const isLent = (document: Document<BlockRecord> | undefined) =>
      document?.value.lent[address] === this.#membership.node;
    const document = documents.get(name);
    if (!isAnew || !isLent(document)) return isLent(document);
    return this.#writeWhile(name, isLent, {});
  }

  /** Claims a block again in the present epoch; false when it has gone to somebody else in the meantime. */
  async #confirm({ name, value }: Document<BlockRecord>): Promise<boolean> {
    const { epoch, node } = this.#membership;
    if (value.epoch === epoch) return true;
    return this.#writeWhile(name, (document) => document?.value.node === node, { epoch });
  }

  /** Changes a document as it is by now; false when the condition does not hold any more. */
  async #writeWhile(
    name: string,
    holds: (document: Document<BlockRecord> | undefined) => boolean,
    change: Partial<BlockRecord>,
  ): Promise<boolean> {
    for (;;) {
      const document = await this.#store.blocks.get(name);
      if (document === undefined || !holds(document)) return false;
      if (await this.#write(document, change)) return true;
    }
  }

  async #write(document: Document<BlockRecord>, change: Partial<BlockRecord>): Promise<boolean> {
    return ifUnchanged(() => this.#store.blocks.update(document, { ...document.value, ...change }));
  }

  #poolsInUse(): (readonly [pool: string, family: Family])[] {
    const pairs = this.#table
      .blocks()
      .map(({ pool, family }) => [`${family} ${pool}`, [pool, family] as const] as const);
    return [...new Map(pairs).values()];
  }

  async #tendPool(pool: Document<PoolRecord>, family: Family): Promise<void> {
    const { clock, spare, idle, coolDown } = this.#options;
    const own = () => this.#table.blocks().filter((block) => block.pool === pool.name && block.family === family);
    const free = () => own().reduce((sum, block) => sum + block.free, 0);
    for (const block of own()) {
      const isBorrowed = block.block.startsWith(BORROWED);
      const isIdle = block.used === 0 && clock() - block.changed >= (isBorrowed ? coolDown : idle);
      if (!block.closed && !isIdle) continue;
      if (isBorrowed) await this.#giveBackBorrowed(block);
      else if (block.closed || free() - block.free >= spare) await this.#giveBack(block);
    }
    if (free() < spare) await this.#claim(pool, family);
    await this.#tendOffers(pool, family, own());
  }

  async #giveBack({ block }: BlockCount): Promise<void> {
    if (!this.#table.closeBlock(block)) return;
    const document = await this.#store.blocks.get(block);
    const isOurs = document?.value.node === this.#membership.node;
    if (!isOurs || (await ifUnchanged(() => this.#store.blocks.delete(document)))) this.#table.removeBlock(block);
  }

  async #giveBackBorrowed({ block }: BlockCount): Promise<void> {
    if (!this.#table.closeBlock(block)) return;
    const { address, name } = borrowedOf(block);
    const document = await this.#store.blocks.get(name);
    if (document?.value.lent[address] === this.#membership.node) {
      const { [address]: _, ...lent } = document.value.lent;
      if (!(await this.#write(document, { lent, offered: [...document.value.offered, address] }))) return;
    }
    this.#table.removeBlock(block);
  }

  /** Offers what it does not need while the pool has no block left, and takes back what nobody wants. */
  async #tendOffers(pool: Document<PoolRecord>, family: Family, own: readonly BlockCount[]): Promise<void> {
    const documents = await this.#store.blocks.list();
    const isFull = freeBlock(pool.value, family, (name) => documents.has(name), 0n) === undefined;
    for (const count of own) {
      const document = documents.get(count.block);
      if (document?.value.node !== this.#membership.node || count.closed) continue;
      const { offered } = document.value;
      if (isFull && offered.length === 0) await this.#offer(document, count);
      else if (!isFull) await this.#takeBack(document);
    }
  }

  /** False when there was nothing offered, or somebody was quicker. */
  async #takeBack(document: Document<BlockRecord>): Promise<boolean> {
    const { offered } = document.value;
    if (offered.length === 0 || !(await this.#write(document, { offered: [] }))) return false;
    for (const address of offered) this.#table.restore(address);
    return true;
  }

  async #takeBackOffers(pool: Document<PoolRecord>, family: Family): Promise<boolean> {
    for (const document of (await this.#store.blocks.list()).values()) {
      const isOwn = document.value.node === this.#membership.node && document.value.pool === pool.name;
      if (isOwn && familyOfBlock(document) === family && (await this.#takeBack(document))) return true;
    }
    return false;
  }

  async #offer(document: Document<BlockRecord>, { block, free }: BlockCount): Promise<void> {
    const most = Math.floor(Math.max(0, free - this.#options.spare) / 2);
    const offered = this.#table.withhold(block, most);
    if (offered.length === 0) return;
    if (await this.#write(document, { offered: [...document.value.offered, ...offered] })) return;
    for (const address of offered) this.#table.restore(address);
  }
}

function familiesOf(pool: PoolRecord): Family[] {
  return FAMILIES.filter((family) => poolNetwork(pool, family) !== undefined);
}

function familyOfBlock({ value }: Document<BlockRecord>): Family {
  return cidrOf(value.cidr).ip.family;
}

function borrowedOf(block: string): { address: string; name: string } {
  const rest = block.slice(BORROWED.length);
  // The name has no colon; an IPv6 address has some.
  const colon = rest.lastIndexOf(":");
  return { address: rest.slice(0, colon), name: rest.slice(colon + 1) };
}

/** Where a node begins to look for a free block. */
function seedOf(node: string): bigint {
  const [high, low] = hash64(node);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
