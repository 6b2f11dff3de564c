/**
 * Addresses that are kept for one owner, on whichever node it runs.
 *
 * Who holds an address is said in one place alone, its block's document, so one compare-and-swap decides, and what is
 * late fails at the revision:
 *
 * - `reserved[address]` names the reservation. It is written by a node that could give the address itself and has closed
 *   it in its table first: the block's node, or who takes what is offered. From then on the block's node never gives
 *   the address, and a node that has gone leaves it reserved.
 * - `lent[address]` names the node that holds it, the block's own included. It is set only where there is none, by a
 *   node on which the owner is attached; and taken away only by the node that it names, after that has closed the
 *   address in its table, or by who has seen that node given up, as with all that is borrowed. So a node gives the
 *   address only while it is the one that is named, in an epoch in which it has confirmed that; there is one at most.
 *
 * The reservation's own document is a wish and never says who holds: `node` is where the owner was attached last. A node
 * that holds the address and is not named there hands it over: it has its owner lose it, closes it, and takes its name
 * out of `lent`; until then the other node's ADD answers that it should be called again. Therefore it does no harm when
 * the document is late, lost, or deleted by hand. When a reservation has ended the block's node takes it out of
 * `reserved`; whoever still holds the address has then borrowed it, and gives it back as such.
 *
 * A node that no pod has the address on for long takes its name out of `lent` too; and a sticky reservation that nobody
 * has held for longer yet is deleted by the block's node, or pods that never come back would use up the pool.
 *
 * Between two changes an address may be in nobody's hands: a reservation is made before its address is `reserved`, a
 * crash may come in between, and then the next `tend` of the block's node, or the next ADD, does it.
 */

import { ifUnchanged } from "../cluster/reclaim.ts";
import { formatCidr } from "../core/cidr.ts";
import {
  type BlockRecord,
  DOCUMENT_VERSION,
  isOver,
  NOBODY,
  type PoolRecord,
  type ReservationRecord,
  reservationName,
  selects,
} from "../core/cluster.ts";
import { AddressError, TryAgainError } from "../core/errors.ts";
import { type Family, familyOf, parseIp } from "../core/ip.ts";
import type { BlockCount } from "../ipam/cluster/address-table.ts";
import { blockName, blockOf, isUsable } from "../ipam/cluster/blocks.ts";
import type { Document, Documents } from "../store/collection.ts";
import { ConflictingWriteError } from "../store/store.ts";
import {
  apartName,
  apartOf,
  changeBlock,
  type Holdings,
  leave,
  NoneFreeError,
  reservationOfPool,
  reservedPool,
  without,
  writeBlock,
} from "./holdings.ts";

/** The address is on its way from another node: the next call may find it here. */
export class AddressMovesError extends TryAgainError {}

/** What the reservations need of a node's other addresses. */
export interface Surroundings {
  pools(): Documents<PoolRecord>;
  /** Claims a certain block; false when somebody else was first. */
  claimThis(pool: Document<PoolRecord>, block: string, cidr: string): Promise<boolean>;
  /** An address of a pool that the node can have, kept back where it is of its own block; undefined when there is none. */
  choose(pool: Document<PoolRecord>, family: Family): Promise<string | undefined>;
}

type Secured = "held" | "waits" | "taken";

/** A day in milliseconds. */
const DEFAULT_KEEP = 86_400_000;

/** How often another address is chosen for a sticky reservation whose own is somebody else's. */
const TRIES = 3;

export class Reservations {
  readonly #holdings: Holdings;
  readonly #around: Surroundings;
  /** As they were when the node last looked. */
  #known: Documents<ReservationRecord> = new Map();
  /** Since when nobody has held sticky addresses of the node's own blocks, by reservation. */
  #unheld = new Map<string, number>();

  constructor(holdings: Holdings, around: Surroundings) {
    this.#holdings = holdings;
    this.#around = around;
  }

  /** Takes note of how the reservations are by now, for who follows them. */
  note(documents: Documents<ReservationRecord>): void {
    this.#known = documents;
  }

  /** Whether an owner has a reservation, as far as is known. */
  isKnown(key: string): boolean {
    return this.#active(this.#known.get(reservationName(key))) !== undefined;
  }

  /** The names of the reservations of a block's addresses, by address. */
  inBlock(block: string): Record<string, string> {
    const reserved: Record<string, string> = {};
    for (const { name, value } of this.#known.values()) {
      if (isOver(value, this.#now())) continue;
      for (const address of value.addresses) if (this.#placeOf(address)?.block === block) reserved[address] = name;
    }
    return reserved;
  }

  /**
   * Gives an owner what is reserved for it, where the node holds it; else false, and nothing is given. `fixed` are the
   * addresses that it has to be, for a pod that asks for such.
   */
  giveAtOnce(owner: string, key: string, fixed: readonly string[] = []): boolean {
    const { membership, table, options } = this.#holdings;
    const name = reservationName(key);
    const value = this.#active(this.#known.get(name))?.value;
    if (value === undefined || value.node !== membership.node || !fits(value, fixed)) return false;
    this.#requireHome(value);
    const took = value.addresses.every((address) =>
      table.takeThis(address, reservedPool(name), owner, options.clock()),
    );
    if (!took) table.release(owner, options.clock());
    return took;
  }

  /**
   * Brings an owner's addresses to this node and gives them; false when it has no reservation. Throws AddressMovesError
   * while another node holds them, TryAgainError while somebody else has them, AddressError for such as are of no pool;
   * StoreUnavailableError.
   */
  async give(owner: string, key: string, mayGive: () => void): Promise<boolean> {
    const { table, options } = this.#holdings;
    const name = reservationName(key);
    for (let tries = 1; ; tries++) {
      const document = await this.#want(name);
      if (document === undefined) return false;
      mayGive();
      const taken: string[] = [];
      for (const address of document.value.addresses) {
        if (await this.#isTaken(document, address)) taken.push(address);
        else {
          mayGive();
          if (!table.takeThis(address, reservedPool(name), owner, options.clock())) this.#refuse(document, address);
        }
      }
      const [address] = taken;
      if (address === undefined) return true;
      if (!document.value.sticky || tries === TRIES) this.#refuse(document, address);
      await this.#replace(document, taken);
    }
  }

  /**
   * Has the owner's reservation be of these addresses, for as long as its pod exists. An operator's reservation that has
   * them serves too; one that was made for a pod which is gone ends. Throws AddressError for what no pod can have or an
   * operator has decided otherwise, TryAgainError while an address is kept for somebody else; StoreUnavailableError.
   */
  async fix(key: string, addresses: readonly string[]): Promise<void> {
    const { store, membership } = this.#holdings;
    for (const address of addresses) this.#requireUsable(address);
    for (;;) {
      await this.#requireUnreserved(key, addresses);
      const name = reservationName(key);
      const found = await store.reservations.get(name);
      const old = this.#active(found);
      if (old !== undefined && fits(old.value, addresses)) return;
      if (old !== undefined && !old.value.fixed && !old.value.sticky) {
        throw new AddressError(
          `${old.value.addresses.join(" and ")} is reserved for "${key}", which asks for another`,
          {
            details: `Ask for that one, or end the reservation: tendril unreserve ${key}`,
          },
        );
      }
      const record = { version: DOCUMENT_VERSION, addresses, owner: key, node: membership.node, fixed: true } as const;
      const write = async () => {
        if (found === undefined) await store.reservations.create(name, record);
        else await store.reservations.update(found, record);
      };
      if (await ifUnchanged(write)) return;
    }
  }

  /** Throws AddressError. */
  #requireUsable(address: string): void {
    const place = this.#placeOf(address);
    if (place === undefined) throw new AddressError(`Address ${address} is of no pool`);
    this.#holdings.home.requireAddress(place.pool.name, address);
    if (isUsable(place.pool.value, place.block, address)) return;
    throw new AddressError(`Address ${address} of pool "${place.pool.name}" is none that a pod can have`);
  }

  /** Throws TryAgainError. */
  async #requireUnreserved(key: string, addresses: readonly string[]): Promise<void> {
    const { store, options } = this.#holdings;
    for (const document of (await store.reservations.list()).values()) {
      const { owner, fixed } = document.value;
      const taken = document.value.addresses.find((address) => addresses.includes(address));
      if (owner === key || taken === undefined || this.#active(document) === undefined) continue;
      if (fixed && (await options.isGone?.(owner))) await ifUnchanged(() => store.reservations.delete(document));
      else {
        throw new TryAgainError(`Address ${taken} is kept for "${owner}"`, {
          details: fixed ? "It comes free when that pod is deleted." : "See tendril get reservations.",
        });
      }
    }
  }

  /**
   * Ends what was made for a pod that asks for nothing any more, or is gone: then only where it was here that it ran last,
   * for one of its name may have come up elsewhere. Throws StoreUnavailableError.
   */
  async unfix(key: string, isHereAlone = false): Promise<void> {
    const { store, membership } = this.#holdings;
    const document = await store.reservations.get(reservationName(key));
    if (!document?.value.fixed || (isHereAlone && document.value.node !== membership.node)) return;
    await ifUnchanged(() => store.reservations.delete(document));
  }

  /** Whether an owner has a reservation that was made for what its pod asked for, as far as is known. */
  isFixed(key: string): boolean {
    return this.#known.get(reservationName(key))?.value.fixed ?? false;
  }

  #refuse({ value }: Document<ReservationRecord>, address: string): never {
    throw new TryAgainError(`Address ${address}, which is reserved for "${value.owner}", is in use by another one`, {
      details: "It comes free with the pod that has it now.",
    });
  }

  /** Makes a reservation for an owner out of a pool, where it has none. Throws TryAgainError, StoreUnavailableError. */
  async make(key: string, pool: Document<PoolRecord>, families: readonly Family[]): Promise<void> {
    const { store, membership, table } = this.#holdings;
    const addresses: string[] = [];
    for (const family of families) addresses.push(await this.#choose(pool, family));
    const record = { version: DOCUMENT_VERSION, addresses, owner: key, node: membership.node, sticky: true } as const;
    const name = reservationName(key);
    const old = await store.reservations.get(name);
    const write = async () => {
      if (old === undefined) await store.reservations.create(name, record);
      else if (this.#active(old) === undefined) await store.reservations.update(old, record);
      else throw new ConflictingWriteError("create", "reservations", name);
    };
    if (await ifUnchanged(write)) return;
    for (const address of addresses) table.restore(address);
  }

  async #choose(pool: Document<PoolRecord>, family: Family): Promise<string> {
    const address = await this.#around.choose(pool, family);
    if (address === undefined) throw new NoneFreeError(pool.name, family);
    return address;
  }

  async #replace(document: Document<ReservationRecord>, taken: readonly string[]): Promise<void> {
    const { store, table } = this.#holdings;
    const addresses: string[] = [];
    for (const address of document.value.addresses) {
      const pool = taken.includes(address) ? this.#placeOf(address)?.pool : undefined;
      addresses.push(pool === undefined ? address : await this.#choose(pool, familyOf(address)));
    }
    const chosen = addresses.filter((address) => !document.value.addresses.includes(address));
    if (await ifUnchanged(() => store.reservations.update(document, { ...document.value, addresses }))) return;
    for (const address of chosen) table.restore(address);
  }

  /** Throws AddressError for addresses that this node never gives, TryAgainError while that is not known. */
  #requireHome({ addresses }: ReservationRecord): void {
    for (const address of addresses) {
      const place = this.#placeOf(address);
      if (place !== undefined) this.#holdings.home.requireAddress(place.pool.name, address);
    }
  }

  /** Says that the owner runs here, unless it cannot have its addresses here. */
  async #want(name: string): Promise<Document<ReservationRecord> | undefined> {
    const { store, membership } = this.#holdings;
    for (;;) {
      const document = this.#active(await store.reservations.get(name));
      // Before it says so: the node that holds them would hand them over.
      if (document !== undefined) this.#requireHome(document.value);
      if (document === undefined || document.value.node === membership.node) return document;
      await ifUnchanged(() => store.reservations.update(document, { ...document.value, node: membership.node }));
    }
  }

  /** False when the node holds the address by now, true when it cannot come to hold it. */
  async #isTaken({ name, value }: Document<ReservationRecord>, address: string): Promise<boolean> {
    const secured = await this.#secure(name, address);
    const isLeaving = secured === "taken" && value.fixed && (await this.#isLeaving(name, address));
    if (secured !== "waits" && !isLeaving) return secured === "taken";
    throw new AddressMovesError(`Address ${address} of "${value.owner}" is not here yet: another node hands it over`, {
      details: "When that node is down, it is given up after the grace period, and the address comes then.",
    });
  }

  /** Whether an address is still marked for a reservation that has ended, which its block's node sees to. */
  async #isLeaving(reservation: string, address: string): Promise<boolean> {
    const { store } = this.#holdings;
    const place = this.#placeOf(address);
    const holderFor = place && (await store.blocks.get(place.block))?.value.reserved?.[address];
    if (holderFor === undefined || holderFor === reservation) return false;
    return this.#active(await store.reservations.get(holderFor)) === undefined;
  }

  async #secure(reservation: string, address: string): Promise<Secured> {
    const { store, membership, table } = this.#holdings;
    const { node } = membership;
    const place = this.#placeOf(address);
    if (place === undefined) throw new AddressError(`Address ${address} is reserved, but of no pool`);
    const apart = apartName({ kind: "reserved", address, block: place.block });
    const held = () => table.addBlock(apart, { pool: reservedPool(reservation), family: familyOf(address) }, [address]);
    for (;;) {
      const document = await store.blocks.get(place.block);
      if (document === undefined || (document.value.node === NOBODY && !document.value.reserved?.[address])) {
        if (!selects(place.pool.value, membership.labels)) return "taken";
        const isClaimed = await this.#around.claimThis(place.pool, place.block, place.cidr);
        // Of another pool, then, that has part in the address.
        if (!isClaimed && document !== undefined) return "waits";
        continue;
      }
      const { lent, offered, reserved, node: blockNode } = document.value;
      const [holder, holderFor] = [lent[address], reserved?.[address]];
      if (holderFor !== undefined && holderFor !== reservation) return "taken";
      if (holder !== undefined && (holder !== node || holderFor === undefined)) return "waits";
      if (holderFor === undefined && !offered.includes(address)) {
        if (blockNode !== node) return "waits";
        if (!table.keepThis(address, place.block)) return "taken";
      }
      const change = {
        offered: offered.filter((each) => each !== address),
        lent: { ...lent, [address]: node },
        reserved: { ...reserved, [address]: reservation },
      };
      if (!(await writeBlock({ store }, document, change))) continue;
      held();
      return "held";
    }
  }

  /**
   * Sets the addresses of reservations aside in the node's own blocks, ends what has ended, and hands over what another
   * node asks for. Throws StoreUnavailableError. `blocks` have been listed before the call: a reservation is older than
   * its mark in a block, so one that is missing in the list made now has been deleted.
   */
  async tend(blocks: Documents<BlockRecord>): Promise<void> {
    const { store } = this.#holdings;
    this.#known = await store.reservations.list();
    for (const document of this.#known.values()) {
      if (this.#active(document) === undefined) await ifUnchanged(() => store.reservations.delete(document));
      else for (const address of document.value.addresses) await this.#setAside(document.name, address, blocks);
    }
    const unheld = new Map<string, number>();
    for (const { name: block, value } of blocks.values()) {
      if (value.node !== this.#holdings.membership.node) continue;
      for (const [address, name] of Object.entries(value.reserved ?? {})) {
        const reservation = this.#active(this.#known.get(name));
        if (!reservation?.value.addresses.includes(address)) await this.#end(block, address, name);
        else if ((reservation.value.sticky || reservation.value.fixed) && value.lent[address] === undefined) {
          unheld.set(name, this.#unheld.get(name) ?? this.#holdings.options.clock());
        }
      }
    }
    this.#unheld = unheld;
    await this.#forgetUnheld();
    for (const count of this.#holdings.table.blocks()) {
      const name = reservationOfPool(count.pool);
      if (name !== undefined) await this.#tendHeld(count, name);
    }
  }

  async #forgetUnheld(): Promise<void> {
    const { store, options } = this.#holdings;
    for (const [name, since] of this.#unheld) {
      const reservation = this.#known.get(name);
      if (reservation === undefined || options.clock() - since < (options.keep ?? DEFAULT_KEEP)) continue;
      await ifUnchanged(() => store.reservations.delete(reservation));
    }
  }

  async #setAside(reservation: string, address: string, blocks: Documents<BlockRecord>): Promise<void> {
    const { membership, table } = this.#holdings;
    const name = this.#placeOf(address)?.block;
    const document = name === undefined ? undefined : blocks.get(name);
    if (document === undefined || document.value.node !== membership.node) return;
    const isFree = ({ node, lent, reserved }: BlockRecord) =>
      node === membership.node && lent[address] === undefined && reserved?.[address] === undefined;
    if (!isFree(document.value) || !table.keepThis(address, document.name)) return;
    await changeBlock(this.#holdings, document.name, (value) =>
      isFree(value)
        ? {
            offered: value.offered.filter((each) => each !== address),
            reserved: { ...value.reserved, [address]: reservation },
          }
        : undefined,
    );
  }

  async #end(block: string, address: string, reservation: string): Promise<void> {
    const { membership, table } = this.#holdings;
    let isHeld = false;
    const changed = await changeBlock(this.#holdings, block, ({ node, lent, reserved }) => {
      if (node !== membership.node || reserved?.[address] !== reservation) return undefined;
      isHeld = lent[address] !== undefined;
      return { reserved: without(reserved, address) };
    });
    if (changed && !isHeld) table.restore(address);
  }

  async #tendHeld({ block: held, closed, used, changed }: BlockCount, reservation: string): Promise<void> {
    const { store, membership, table, options } = this.#holdings;
    const apart = apartOf(held);
    if (apart === undefined) return;
    const { address, block } = apart;
    const document = await store.blocks.get(block);
    if (document?.value.lent[address] !== membership.node) return;
    if (document.value.reserved?.[address] !== reservation) {
      const question = { pool: document.value.pool, family: familyOf(address) };
      table.addBlock(apartName({ kind: "borrowed", address, block }), question, [address]);
      return;
    }
    const wanted = this.#active(this.#known.get(reservation))?.value.node;
    const isIdle = used === 0 && options.clock() - changed >= options.idle;
    if (closed || isIdle || (wanted !== undefined && wanted !== membership.node)) await this.#handOver(held);
  }

  async #handOver(held: string): Promise<void> {
    const { membership, table, options } = this.#holdings;
    const apart = apartOf(held);
    if (apart === undefined) return;
    for (const owner of table.ownersIn(held)) {
      await options.lost(owner);
      table.release(owner, options.clock());
    }
    if (!table.closeBlock(held)) return;
    const { address, block } = apart;
    await changeBlock(this.#holdings, block, ({ lent }) =>
      lent[address] === membership.node ? { lent: without(lent, address) } : undefined,
    );
    leave(this.#holdings, held);
  }

  #active(document: Document<ReservationRecord> | undefined): Document<ReservationRecord> | undefined {
    return document === undefined || isOver(document.value, this.#now()) ? undefined : document;
  }

  #now(): number {
    return (this.#holdings.options.now ?? Date.now)();
  }

  #placeOf(address: string): { pool: Document<PoolRecord>; block: string; cidr: string } | undefined {
    const ip = parseIp(address);
    if (ip === undefined) return undefined;
    for (const pool of this.#around.pools().values()) {
      const block = blockOf(pool.value, ip);
      if (block !== undefined) return { pool, block: blockName(block), cidr: formatCidr(block) };
    }
    return undefined;
  }
}

/** Whether a reservation is what a pod asks for; one made for what a pod asked for serves no other wish. */
function fits({ addresses, fixed }: ReservationRecord, wanted: readonly string[]): boolean {
  if (wanted.length === 0) return !fixed;
  return wanted.every((address) => addresses.includes(address)) && (!fixed || addresses.length === wanted.length);
}
