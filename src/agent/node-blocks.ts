/**
 * The blocks that a node has claimed: brought together with the store, claimed ahead of need, and given back.
 *
 * A change whose answer did not come may have been made, may not have been, or may be made later. So what was to leave
 * the table stays closed until the store confirms that it has left, and what was to come back comes back only after the
 * document has been written again, which makes a late change of its earlier state fail.
 */

import { ifUnchanged } from "../cluster/reclaim.ts";
import { formatCidr } from "../core/cidr.ts";
import { type BlockRecord, cidrOf, DOCUMENT_VERSION, NOBODY, type PoolRecord, selects } from "../core/cluster.ts";
import { TryAgainError } from "../core/errors.ts";
import { type Family, familyOf } from "../core/ip.ts";
import { hash64 } from "../core/names.ts";
import { type BlockCount, WARM } from "../ipam/cluster/address-table.ts";
import { blockCidr, blockName, familiesOf, usableAddresses } from "../ipam/cluster/blocks.ts";
import type { Document, Documents } from "../store/collection.ts";
import {
  apartName,
  apartOf,
  changeBlock,
  type Holdings,
  leave,
  reservationOfPool,
  reservedPool,
  takenIn,
  writeBlock,
} from "./holdings.ts";
import { Lending } from "./lending.ts";

export class NodeBlocks {
  readonly lending: Lending;
  readonly #holdings: Holdings;
  /** The reservations of a block's addresses, by address. */
  readonly #reservedIn: (block: string) => Readonly<Record<string, string>>;
  /** As they were when the node last looked. */
  #pools: Documents<PoolRecord> = new Map();
  /** The epoch in which table and store have been brought together. */
  #reconciled: number | undefined;
  /** Pools and families of which no block is left to claim, and no address is offered. */
  #full = new Set<string>();

  constructor(holdings: Holdings, reservedIn: (block: string) => Readonly<Record<string, string>>) {
    this.#holdings = holdings;
    this.#reservedIn = reservedIn;
    this.lending = new Lending(holdings);
  }

  get pools(): Documents<PoolRecord> {
    return this.#pools;
  }

  /** A pool as it is now. Throws StoreUnavailableError. */
  async readPool(name: string): Promise<Document<PoolRecord> | undefined> {
    const pool = await this.#holdings.store.pools.get(name);
    if (pool !== undefined) this.#pools = new Map(this.#pools).set(name, pool);
    return pool;
  }

  /** Whether no block of a pool is left to claim, nor an address offered, as far as is known. */
  isFull(pool: string, family: Family): boolean {
    return this.#full.has(`${family} ${pool}`);
  }

  /** How many addresses of a pool the node can give at once. */
  freeOf(pool: string, family: Family): number {
    const own = this.#holdings.table.blocks().filter((block) => block.pool === pool && block.family === family);
    return own.reduce((sum, { free }) => sum + free, 0);
  }

  /** Whether the node may give addresses now: nobody can have given it up, and table and store agree. */
  isSafe(): boolean {
    return this.#holdings.membership.isSafe() && this.#reconciled === this.#holdings.membership.epoch;
  }

  /** Throws TryAgainError when it may not: to be asked in the same turn as an address is given. */
  requireSafe(): void {
    if (this.isSafe()) return;
    throw new TryAgainError(
      `Node "${this.#holdings.membership.node}" has not reached the store for too long to give addresses`,
    );
  }

  /** Claims a block of a pool. False when all are taken. Throws StoreUnavailableError. */
  async claim(pool: Document<PoolRecord>, family: Family): Promise<boolean> {
    const { home, membership } = this.#holdings;
    const { node, labels } = membership;
    if (!selects(pool.value, labels)) return false;
    const known = await this.#holdings.store.blocks.list();
    for (const { name, value } of known.values()) {
      const isOpen = value.node === NOBODY && value.pool === pool.name && cidrOf(value.cidr).ip.family === family;
      if (isOpen && home.holds(pool.name, value.cidr) && (await this.#takeOver(name, pool))) return true;
    }
    const lost = new Set<string>();
    for (;;) {
      const block = home.freeBlock(pool, family, (name) => known.has(name) || lost.has(name), seedOf(node));
      if (block === undefined) return false;
      const name = blockName(block);
      if (await this.claimThis(pool, name, formatCidr(block))) return true;
      lost.add(name);
    }
  }

  /** Claims a certain block; false when somebody has it. Throws StoreUnavailableError. */
  async claimThis(pool: Document<PoolRecord>, name: string, cidr: string): Promise<boolean> {
    const { node, epoch } = this.#holdings.membership;
    const reserved = this.#setAsideIn(name);
    const fixed = { version: DOCUMENT_VERSION, pool: pool.name, cidr, node, epoch } as const;
    const record: BlockRecord = { ...fixed, offered: [], lent: {}, reserved };
    if (!(await ifUnchanged(() => this.#holdings.store.blocks.create(name, record)))) {
      return this.#takeOver(name, pool);
    }
    this.#add(name, pool.value, record);
    return true;
  }

  /**
   * What a block that is about to be claimed keeps for reservations. A node that comes back may have the block's addresses
   * in its table already: one that a pod has is set aside when that pod is gone, the others are closed before they are.
   */
  #setAsideIn(block: string): Record<string, string> {
    const { table } = this.#holdings;
    const unused = Object.entries(this.#reservedIn(block)).filter(([address]) => table.ownerOf(address) === undefined);
    for (const [address] of unused) table.keepThis(address, block);
    return Object.fromEntries(unused);
  }

  /** Takes a block that is nobody's any more, without what others hold of it; false when it is somebody's. */
  async #takeOver(name: string, pool: Document<PoolRecord>): Promise<boolean> {
    const { node, epoch } = this.#holdings.membership;
    let before: BlockRecord | undefined;
    const isTaken = await changeBlock(this.#holdings, name, (value) => {
      before = value;
      return value.node === NOBODY && value.pool === pool.name ? { node, epoch } : undefined;
    });
    if (!isTaken || before === undefined) return false;
    // What the table has of it, or apart from it, is of a time before others gave addresses of it.
    const { table } = this.#holdings;
    const { lent } = before;
    const isFormer = ({ block }: BlockCount) => {
      const apart = apartOf(block);
      return block === name || (apart?.block === name && lent[apart.address] !== node);
    };
    const former = table
      .blocks()
      .filter(isFormer)
      .flatMap(({ block }) => table.removeBlock(block));
    this.#add(name, pool.value, before);
    await this.#lose(former);
    return true;
  }

  /** Puts a block into the table; what the node itself holds apart of it stays so. */
  #add(name: string, pool: PoolRecord, { pool: poolName, cidr, offered, lent, reserved }: BlockRecord): void {
    const { table, membership } = this.#holdings;
    const block = cidrOf(cidr);
    const away = new Set([...offered, ...Object.keys(lent), ...Object.keys(reserved ?? {})]);
    const question = { pool: poolName, family: block.ip.family };
    const addresses = usableAddresses(pool, block).filter((address) => lent[address] !== membership.node);
    table.addBlock(name, question, addresses, (address) => away.has(address));
  }

  #addApart(kind: "borrowed" | "reserved", block: string, address: string, pool: string): void {
    this.#holdings.table.addBlock(apartName({ kind, address, block }), { pool, family: familyOf(address) }, [address]);
  }

  /** An address that the node can have, kept back where it is of its own blocks. Throws StoreUnavailableError. */
  async choose(pool: Document<PoolRecord>, family: Family): Promise<string | undefined> {
    const { clock, coolDown } = this.#holdings.options;
    const keep = (cooledBefore: number) => {
      const own = this.#holdings.table.blocks().filter((each) => each.pool === pool.name && each.family === family);
      const names = own.map(({ block }) => block).filter((block) => apartOf(block) === undefined);
      return this.#holdings.table.keepAny(names, cooledBefore);
    };
    const cooled = keep(clock() - coolDown);
    if (cooled !== undefined) return cooled;
    if (await this.claim(pool, family)) {
      const fresh = keep(clock() - coolDown);
      if (fresh !== undefined) return fresh;
    }
    await this.lending.takeBackOffers(pool, family);
    return keep(WARM) ?? (await this.lending.offeredElsewhere(pool, family))?.address;
  }

  /** Brings table and store together; returns the blocks as they were. Throws StoreUnavailableError. */
  async reconcile(): Promise<Documents<BlockRecord>> {
    const { node, epoch } = this.#holdings.membership;
    const isAnew = this.#reconciled !== epoch;
    this.#pools = await this.#holdings.store.pools.list();
    const documents = await this.#holdings.store.blocks.list();
    for (const { block, pool } of this.#holdings.table.blocks()) {
      const apart = apartOf(block);
      if (apart !== undefined) {
        if (!(await this.#keepsApart(apart, documents, isAnew))) await this.#lose(leave(this.#holdings, block));
      } else if (!(await this.#keeps(block, pool, documents)))
        await this.#lose(this.#holdings.table.removeBlock(block));
    }
    const here = new Set(this.#holdings.table.blocks().map(({ block }) => block));
    for (const document of documents.values()) {
      const { value, name } = document;
      const pool = this.#pools.get(value.pool);
      // A claim whose answer did not come, or whose process was killed before it reached the table.
      if (value.node === node && !here.has(name) && pool !== undefined && (await this.#confirm(document))) {
        this.#add(name, pool.value, value);
        this.#holdings.home.keep();
      }
      for (const [address, borrower] of Object.entries(value.lent)) {
        const kinds = ["borrowed", "reserved"] as const;
        if (borrower !== node || kinds.some((kind) => here.has(apartName({ kind, address, block: name })))) continue;
        if (!(await this.#writeWhile(name, ({ lent }) => lent[address] === node, {}))) continue;
        const reservation = value.reserved?.[address];
        if (reservation === undefined) this.#addApart("borrowed", name, address, value.pool);
        else this.#addApart("reserved", name, address, reservedPool(reservation));
        this.#holdings.home.keep();
      }
    }
    this.#reconciled = epoch;
    return documents;
  }

  /** All are told, although one of them fails. */
  async #lose(owners: readonly string[]): Promise<void> {
    await Promise.all(owners.map(async (owner) => this.#holdings.options.lost(owner)));
  }

  /** Whether a block in the table is the node's still. */
  async #keeps(block: string, pool: string, documents: Documents<BlockRecord>): Promise<boolean> {
    const { node } = this.#holdings.membership;
    const document = documents.get(block) ?? (await this.#claimAgain(block, pool));
    if (document?.value.node !== node || !(await this.#confirm(document))) return false;
    // What a pod has of it is in nobody else's hands, unless this node has taken it over without hearing that it has.
    const { lent, reserved } = document.value;
    await this.#lose(this.#holdings.table.withdraw(block, Object.keys({ ...lent, ...reserved })));
    for (const address of this.#holdings.table.withheld(block)) {
      const isUnknown = ({ node: blockNode, offered, lent, reserved }: BlockRecord) =>
        blockNode === node &&
        !offered.includes(address) &&
        lent[address] === undefined &&
        reserved?.[address] === undefined;
      // An offer whose answer did not come may be made late: the document is written again, so that it fails.
      if (isUnknown(document.value) && (await this.#writeWhile(block, isUnknown, {})))
        this.#holdings.table.restore(address);
    }
    return true;
  }

  /**
   * Claims a block that was freed while the node was given up and is nobody's yet, because pods that are still there
   * have addresses of it.
   */
  async #claimAgain(block: string, poolName: string): Promise<Document<BlockRecord> | undefined> {
    const pool = this.#pools.get(poolName);
    if (pool === undefined || this.#holdings.table.ownersIn(block).length === 0) return undefined;
    if (!(await this.claimThis(pool, block, blockCidr(block)))) return undefined;
    return this.#holdings.store.blocks.get(block);
  }

  /** Whether an address that is held apart is the node's still, which in a new epoch has to be written again. */
  async #keepsApart(
    { address, block }: { readonly address: string; readonly block: string },
    documents: Documents<BlockRecord>,
    isAnew: boolean,
  ): Promise<boolean> {
    const isLent = ({ lent }: BlockRecord) => lent[address] === this.#holdings.membership.node;
    const document = documents.get(block);
    if (document === undefined || !isLent(document.value)) return false;
    return !isAnew || this.#writeWhile(block, isLent, {});
  }

  /** Claims a block again in the present epoch; false when it has gone to somebody else in the meantime. */
  async #confirm({ name, value }: Document<BlockRecord>): Promise<boolean> {
    const { epoch, node } = this.#holdings.membership;
    if (value.epoch === epoch) return true;
    return this.#writeWhile(name, (now) => now.node === node, { epoch });
  }

  /** Changes a document as it is by now; false when the condition does not hold any more. */
  #writeWhile(name: string, holds: (value: BlockRecord) => boolean, change: Partial<BlockRecord>): Promise<boolean> {
    return changeBlock(this.#holdings, name, (value) => (holds(value) ? change : undefined));
  }

  /** Claims ahead of need, gives back, offers. Throws StoreUnavailableError. */
  async tend(): Promise<void> {
    for (const [pool, family] of this.#poolsInUse()) {
      const document = this.#pools.get(pool);
      if (document !== undefined) await this.#tendPool(document, family);
    }
    this.#full = await this.#findFull();
  }

  async #findFull(): Promise<Set<string>> {
    const blocks = await this.#holdings.store.blocks.list();
    const { home, membership } = this.#holdings;
    home.note(blocks);
    const full = new Set<string>();
    for (const pool of this.#pools.values()) {
      for (const family of familiesOf(pool.value)) {
        const isFree = selects(pool.value, membership.labels) && home.freeBlock(pool, family, takenIn(blocks), 0n);
        if (!isFree && !this.lending.isOffered(blocks, pool, family)) full.add(`${family} ${pool.name}`);
      }
    }
    return full;
  }

  #poolsInUse(): (readonly [pool: string, family: Family])[] {
    const pairs = this.#holdings.table
      .blocks()
      .filter(({ pool }) => reservationOfPool(pool) === undefined)
      .map(({ pool, family }) => [`${family} ${pool}`, [pool, family] as const] as const);
    return [...new Map(pairs).values()];
  }

  async #tendPool(pool: Document<PoolRecord>, family: Family): Promise<void> {
    const { clock, spare, idle, coolDown } = this.#holdings.options;
    const own = () =>
      this.#holdings.table.blocks().filter((block) => block.pool === pool.name && block.family === family);
    const free = () => own().reduce((sum, block) => sum + block.free, 0);
    for (const block of own()) {
      const apart = apartOf(block.block);
      if (apart === undefined && !this.#holdings.home.holds(pool.name, blockCidr(block.block))) {
        if (block.used === 0 && block.closed) await this.#leave(block);
        continue;
      }
      const isBorrowed = apart !== undefined;
      // It does not cool down for somebody whom it is kept for: that one is waiting. Nor for others, who may
      // be waiting where nothing else is left.
      const isWanted = isBorrowed && this.#reservedIn(apart.block)[apart.address] !== undefined;
      const hasCooled = clock() - block.changed >= (isBorrowed ? coolDown : idle);
      const isIdle =
        block.used === 0 && (hasCooled || isWanted || (isBorrowed && (await this.lending.isUsedUp(pool, family))));
      if (!block.closed && !isIdle) continue;
      if (isBorrowed) await this.lending.giveBackBorrowed(block);
      else if (block.closed || free() - block.free >= spare) await this.#giveBack(block);
    }
    if (free() < spare) await this.claim(pool, family);
    await this.lending.tendOffers(pool, family, own());
  }

  /**
   * Leaves a block to the node whose it is by now. What is reserved of it whoever claims it sets aside again; what nodes
   * hold apart of it they keep.
   */
  async #leave({ block }: BlockCount): Promise<void> {
    const { store, membership, table } = this.#holdings;
    const document = await store.blocks.get(block);
    if (document?.value.node === membership.node) {
      const isLent = Object.keys(document.value.lent).length > 0;
      const isLeft = isLent
        ? await writeBlock(this.#holdings, document, { node: NOBODY, offered: [] })
        : await ifUnchanged(() => store.blocks.delete(document));
      if (!isLeft) return;
    }
    table.removeBlock(block);
  }

  async #giveBack({ block }: BlockCount): Promise<void> {
    const document = await this.#holdings.store.blocks.get(block);
    const isOurs = document?.value.node === this.#holdings.membership.node;
    // What the node itself holds apart is not in the block as the table has it.
    if (isOurs && Object.keys(document.value.lent).length > 0) return;
    if (!this.#holdings.table.closeBlock(block)) return;
    if (!isOurs || (await ifUnchanged(() => this.#holdings.store.blocks.delete(document))))
      this.#holdings.table.removeBlock(block);
  }
}

/** Where a node begins to look for a free block. */
function seedOf(node: string): bigint {
  const [high, low] = hash64(node);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
