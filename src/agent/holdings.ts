/** What the parts of a node's addresses have in common: where they lie, and how a block's document is changed. */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import { ifUnchanged } from "../cluster/reclaim.ts";
import { type BlockRecord, NOBODY } from "../core/cluster.ts";
import { TryAgainError } from "../core/errors.ts";
import type { Family } from "../core/ip.ts";
import type { AddressTable } from "../ipam/cluster/address-table.ts";
import type { Document, Documents } from "../store/collection.ts";
import type { Home, Territories } from "./home.ts";
import type { Membership } from "./membership.ts";

export interface AddressesOptions {
  /** Milliseconds of a clock that goes on across restarts, for the table. */
  readonly clock: () => number;
  /** Milliseconds after its release before an address is given again, as long as there are others. */
  readonly coolDown: number;
  /** How many free addresses of a pool in use a node has in hand. */
  readonly spare: number;
  /** Milliseconds after which a block that nobody uses goes back to the pool. */
  readonly idle: number;
  /**
   * Told of an owner whose addresses are another node's by now, because this one had been given up, or are about to be,
   * because they are reserved for an owner that runs there now. The latter wait until it has done its work.
   */
  readonly lost: (owner: string) => void | Promise<void>;
  /** Whether a pod, by namespace and name, is gone for sure; where nobody can tell none is. */
  readonly isGone?: (pod: string) => Promise<boolean>;
  /** Milliseconds after which a sticky address whose pod has not come up again is no longer kept; a day unless given. */
  readonly keep?: number;
  /** Milliseconds of the epoch, for the end of reservations. */
  readonly now?: () => number;
  /** Parts of pools that are this node's own; none unless given. */
  readonly territory?: Territories;
}

/** No address of a pool is free on this node, nor offered by another one, which may come to offer some. */
export class NoneFreeError extends TryAgainError {
  constructor(pool: string, family: Family) {
    super(`Pool "${pool}" has no free IPv${family} address left`, {
      details: "Add a pool or make this one larger.",
    });
  }
}

/** Where a node's addresses lie. */
export interface Holdings {
  readonly store: ClusterStore;
  readonly membership: Membership;
  readonly table: AddressTable;
  /** Which addresses are the node's to give. */
  readonly home: Home;
  readonly options: AddressesOptions;
}

/**
 * Changes a block's document as it is by now; false when there is nothing (more) to change. Throws
 * StoreUnavailableError, and then the change may have been made or not.
 */
export async function changeBlock(
  { store }: Pick<Holdings, "store">,
  name: string,
  change: (value: BlockRecord) => Partial<BlockRecord> | undefined,
): Promise<boolean> {
  for (;;) {
    const document = await store.blocks.get(name);
    const changed = document && change(document.value);
    if (document === undefined || changed === undefined) return false;
    if (await writeBlock({ store }, document, changed)) return true;
  }
}

/** Changes a block's document as it was; false when it is another one by now. Throws StoreUnavailableError. */
export async function writeBlock(
  { store }: Pick<Holdings, "store">,
  document: Document<BlockRecord>,
  change: Partial<BlockRecord>,
): Promise<boolean> {
  return ifUnchanged(() => store.blocks.update(document, { ...document.value, ...change }));
}

/** Which blocks are somebody's. */
export function takenIn(blocks: Documents<BlockRecord>): (name: string) => boolean {
  return (name) => (blocks.get(name)?.value.node ?? NOBODY) !== NOBODY;
}

/** A record without one of its keys. */
export function without<T>(record: Readonly<Record<string, T>> | undefined, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record ?? {}).filter(([each]) => each !== key));
}

/** How the table calls an address that is held apart from its block. */
export interface Apart {
  readonly kind: "borrowed" | "reserved";
  readonly address: string;
  /** The name of the block's document. */
  readonly block: string;
}

export function apartName({ kind, address, block }: Apart): string {
  return `${kind}:${address}:${block}`;
}

/** What is held apart by a name, or undefined where it is a block's. */
export function apartOf(name: string): Apart | undefined {
  const [kind] = name.split(":", 1);
  if (kind !== "borrowed" && kind !== "reserved") return undefined;
  // The block's name has no colon; an IPv6 address has some.
  const colon = name.lastIndexOf(":");
  return { kind, address: name.slice(kind.length + 1, colon), block: name.slice(colon + 1) };
}

/** What the table takes for the pool of a reservation's addresses, so that nobody else gets them. */
export function reservedPool(reservation: string): string {
  return `reserved:${reservation}`;
}

/** The reservation of such a pool, or undefined for another one. */
export function reservationOfPool(pool: string): string | undefined {
  return pool.startsWith("reserved:") ? pool.slice("reserved:".length) : undefined;
}

/**
 * Forgets an address that was held apart; one of a block of the node's own is kept back there from now on. Returns the
 * owner that had it.
 */
export function leave({ table }: Pick<Holdings, "table">, held: string): string[] {
  const apart = apartOf(held);
  const home = table.blocks().find(({ block }) => block === apart?.block);
  return home === undefined ? table.removeBlock(held) : table.moveBack(held, home.block, home);
}
