/**
 * What nodes lend each other when a pool has no block left: a node names addresses that it does without in its block's
 * document (`offered`), another one moves such an address to `lent`, and back when it has no use for it.
 */

import { type BlockRecord, cidrOf, type PoolRecord, selects } from "../core/cluster.ts";
import { type Family, familyOf } from "../core/ip.ts";
import type { BlockCount } from "../ipam/cluster/address-table.ts";
import { freeBlock, isUsable } from "../ipam/cluster/blocks.ts";
import type { Document, Documents } from "../store/collection.ts";
import { apartName, apartOf, changeBlock, type Holdings, leave, takenIn, without, writeBlock } from "./holdings.ts";

export class Lending {
  readonly #holdings: Holdings;

  constructor(holdings: Holdings) {
    this.#holdings = holdings;
  }

  /** An address that another node offers. Throws StoreUnavailableError. */
  async offeredElsewhere(
    pool: Document<PoolRecord>,
    family: Family,
  ): Promise<{ block: Document<BlockRecord>; address: string } | undefined> {
    return this.#findOffer(await this.#holdings.store.blocks.list(), pool, family);
  }

  /** Whether an address was offered when the blocks were these, by another node or by this one, which can take it back. */
  isOffered(blocks: Documents<BlockRecord>, pool: Document<PoolRecord>, family: Family): boolean {
    const isOwn = (block: Document<BlockRecord>) => this.#isOwn(block, pool, family) && block.value.offered.length > 0;
    return [...blocks.values()].some(isOwn) || this.#findOffer(blocks, pool, family) !== undefined;
  }

  /** Whether no block of a pool is free, and nothing offered. Throws StoreUnavailableError. */
  async isUsedUp(pool: Document<PoolRecord>, family: Family): Promise<boolean> {
    const blocks = await this.#holdings.store.blocks.list();
    return isFull(blocks, pool, family) && !this.isOffered(blocks, pool, family);
  }

  #isOwn(block: Document<BlockRecord>, pool: Document<PoolRecord>, family: Family): boolean {
    const { node, pool: name } = block.value;
    return node === this.#holdings.membership.node && name === pool.name && familyOfBlock(block) === family;
  }

  #findOffer(
    blocks: Documents<BlockRecord>,
    pool: Document<PoolRecord>,
    family: Family,
  ): { block: Document<BlockRecord>; address: string } | undefined {
    const { node, labels } = this.#holdings.membership;
    if (!selects(pool.value, labels) || !this.#isLent(pool)) return undefined;
    for (const block of blocks.values()) {
      if (block.value.node === node || familyOfBlock(block) !== family) continue;
      const isOurs = block.value.pool === pool.name;
      const address = block.value.offered.find((each) => isOurs || isUsable(pool.value, block.name, each));
      if (address !== undefined) return { block, address };
    }
    return undefined;
  }

  /** Borrows an address that another node offers; returns it with the pool of its block. Throws StoreUnavailableError. */
  async borrow(
    pool: Document<PoolRecord>,
    family: Family,
  ): Promise<{ readonly address: string; readonly pool: string } | undefined> {
    for (;;) {
      const found = await this.offeredElsewhere(pool, family);
      if (found === undefined) return undefined;
      const { block, address } = found;
      if (await this.borrowThis(block.name, address)) return { address, pool: block.value.pool };
    }
  }

  /** Borrows a certain address; false when nobody offers it. Throws StoreUnavailableError. */
  async borrowThis(name: string, address: string): Promise<boolean> {
    const { node } = this.#holdings.membership;
    let pool = "";
    const isBorrowed = await changeBlock(this.#holdings, name, ({ node: blockNode, offered, lent, pool: its }) => {
      if (blockNode === node || !offered.includes(address)) return undefined;
      pool = its;
      return { offered: offered.filter((each) => each !== address), lent: { ...lent, [address]: node } };
    });
    if (isBorrowed) {
      const question = { pool, family: familyOf(address) };
      this.#holdings.table.addBlock(apartName({ kind: "borrowed", address, block: name }), question, [address]);
    }
    return isBorrowed;
  }

  /** Gives an address that nobody uses back to who lent it. Throws StoreUnavailableError. */
  async giveBackBorrowed({ block }: BlockCount): Promise<void> {
    if (!this.#holdings.table.closeBlock(block)) return;
    const apart = apartOf(block);
    if (apart === undefined) return;
    const { address } = apart;
    await changeBlock(this.#holdings, apart.block, ({ lent, offered }) =>
      lent[address] === this.#holdings.membership.node
        ? { lent: without(lent, address), offered: [...offered, address] }
        : undefined,
    );
    leave(this.#holdings, block);
  }

  /**
   * Offers what it does not need while the pool has no block left, and takes back what nobody wants. Half of what the node
   * has beyond its spare ones in all its blocks is offered: in each alone there may be too few. Of few addresses it keeps a
   * quarter, or whoever is first in a small pool would have it for itself.
   */
  async tendOffers(pool: Document<PoolRecord>, family: Family, own: readonly BlockCount[]): Promise<void> {
    const documents = await this.#holdings.store.blocks.list();
    const blocks = own.flatMap((count) => {
      const document = documents.get(count.block);
      return document?.value.node !== this.#holdings.membership.node || count.closed ? [] : [{ document, count }];
    });
    const isOffering = isFull(documents, pool, family) && this.#isLent(pool);
    const offered = sum(blocks.map(({ document }) => document.value.offered.length));
    const free = sum(blocks.map(({ count }) => count.free));
    const kept = Math.min(this.#holdings.options.spare, Math.floor((free + offered) / 4));
    let wanted = Math.ceil((free + offered - kept) / 2) - offered;
    for (const { document } of blocks) {
      if (!isOffering) await this.#takeBack(document);
      else if (document.value.offered.length === 0) wanted -= await this.#offer(document, wanted);
    }
  }

  /** Not where an address is of a subnet on its node's bridge, nor where nodes have parts of the pool of their own. */
  #isLent({ name, value }: Document<PoolRecord>): boolean {
    return !value.gateways && !this.#holdings.home.isParted(name);
  }

  /** False when there was nothing offered, or somebody was quicker. */
  async #takeBack(document: Document<BlockRecord>): Promise<boolean> {
    const { offered } = document.value;
    if (offered.length === 0 || !(await writeBlock(this.#holdings, document, { offered: [] }))) return false;
    for (const address of offered) this.#holdings.table.restore(address);
    return true;
  }

  /** Takes back what it offers of one block; false when it offers nothing. Throws StoreUnavailableError. */
  async takeBackOffers(pool: Document<PoolRecord>, family: Family): Promise<boolean> {
    for (const document of (await this.#holdings.store.blocks.list()).values()) {
      if (this.#isOwn(document, pool, family) && (await this.#takeBack(document))) return true;
    }
    return false;
  }

  /** Returns how many it has come to offer. */
  async #offer(document: Document<BlockRecord>, most: number): Promise<number> {
    if (most <= 0) return 0;
    const { table } = this.#holdings;
    const offered = table.withhold(document.name, most);
    if (offered.length === 0) return 0;
    const { value } = document;
    if (await writeBlock(this.#holdings, document, { offered: [...value.offered, ...offered] })) return offered.length;
    for (const address of offered) table.restore(address);
    return 0;
  }
}

/** Whether every block of a pool is somebody's. */
function isFull(blocks: Documents<BlockRecord>, pool: Document<PoolRecord>, family: Family): boolean {
  return freeBlock(pool.value, family, takenIn(blocks), 0n) === undefined;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function familyOfBlock({ value }: Document<BlockRecord>): Family {
  return cidrOf(value.cidr).ip.family;
}
