/**
 * The node's own addresses among the pods, of its end of the tunnels: of each family of the pool one, given as those of
 * pods are.
 */

import { TryAgainError } from "../core/errors.ts";
import type { AddressTable } from "../ipam/cluster/address-table.ts";
import type { Addresses } from "./addresses.ts";

export interface TunnelAddressesOptions {
  readonly table: AddressTable;
  readonly addresses: Addresses;
  /** Of which they are. */
  readonly pool: string;
  /** Told of others than before, or of none. */
  readonly changed: () => void;
  /** Told of what went wrong. */
  readonly failed: (error: unknown) => void;
}

/** Who has them, and who has other ones while these are still there; no attachment is called so. */
const OWNER = "node tunnel";
const NEXT_OWNER = "node tunnel, next";

export class TunnelAddresses {
  readonly #options: TunnelAddressesOptions;
  #isGiving = false;
  /** Some families have theirs already and others not. */
  #isPartial = false;
  #problem: string | undefined;

  /** Takes back what a process had that was killed meanwhile. */
  constructor(options: TunnelAddressesOptions) {
    this.#options = options;
    options.addresses.release(NEXT_OWNER);
  }

  /** None while they are given. */
  get list(): readonly string[] {
    return this.#isPartial ? [] : this.#given.map(({ address }) => address);
  }

  /** Whether the node has any. */
  get areThere(): boolean {
    return this.#given.length > 0;
  }

  /** Why there are none, or others than there should be. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get #given() {
    return this.#options.table.of(OWNER);
  }

  /** Has them given for so many families, and anew where they are not the node's to give any more. */
  async ensure(families: number): Promise<void> {
    const { addresses, pool, changed, failed } = this.#options;
    const given = this.#given;
    const isWhole = given.length >= families && given.every(({ address }) => addresses.isHome(pool, address));
    if (this.#isGiving || isWhole) return;
    try {
      this.#isGiving = true;
      // Without any the node has no tunnels, so it leaves them when it is sure to be given others.
      if (given.length > 0) {
        await addresses.give(NEXT_OWNER, { pool });
        for (const owner of [NEXT_OWNER, OWNER]) addresses.release(owner);
      }
      this.#isPartial = true;
      await addresses.give(OWNER, { pool });
      this.#isPartial = false;
      this.#problem = undefined;
      changed();
    } catch (error) {
      // Addresses that are used up, and a node that may not give any, are told by STATUS.
      if (error instanceof TryAgainError) {
        this.#problem = error.message;
        this.#leave();
      } else failed(error);
    } finally {
      this.#isGiving = false;
      this.#isPartial = false;
    }
  }

  /**
   * Another node may wait for what these are of, and this one for what that has. Whoever has no pods needs no tunnels, so
   * it goes first.
   */
  #leave(): void {
    const { table, addresses, changed } = this.#options;
    const holders = table.holders();
    if (holders.length === 0 || holders.some((owner) => owner !== OWNER)) return;
    addresses.release(OWNER);
    this.#isPartial = false;
    changed();
  }
}
