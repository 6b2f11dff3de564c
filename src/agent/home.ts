/**
 * Which addresses are a node's to give. Of most pools all nodes claim alike; of some a part is a node's own by somebody
 * else's decision, such as Kubernetes' by the podCIDRs of a Node. Then the node claims of that part alone, nothing is lent or
 * borrowed, and no address follows its owner elsewhere.
 */

import type { Cidr } from "../core/cidr.ts";
import { type BlockRecord, cidrOf, NOBODY, type PoolRecord } from "../core/cluster.ts";
import { AddressError, TryAgainError } from "../core/errors.ts";
import { alone, type Family, familyOf } from "../core/ip.ts";
import { holds } from "../core/networks.ts";
import type { AddressTable } from "../ipam/cluster/address-table.ts";
import { blockBitsOf, blockCidr, freeBlock } from "../ipam/cluster/blocks.ts";
import type { Document, Documents } from "../store/collection.ts";
import { apartOf } from "./holdings.ts";

/** The part of a pool that is a node's own. */
export interface Territory {
  /** In CIDR notation; undefined as long as the node has not been given any. */
  readonly networks: readonly string[] | undefined;
}

/** The part of a pool that is this node's; undefined for a pool that all nodes share. */
export type Territories = (pool: string) => Territory | undefined;

export interface HomeOptions {
  /** The node's name. */
  readonly node: string;
  readonly table: AddressTable;
  readonly territory: Territories;
}

export class Home {
  readonly #options: HomeOptions;
  /** Other nodes with blocks of it, by family and pool. */
  #holders: ReadonlyMap<string, ReadonlySet<string>> = new Map();

  constructor(options: HomeOptions) {
    this.#options = options;
  }

  /** Whether nodes have parts of a pool that are their own. */
  isParted(pool: string): boolean {
    return this.#options.territory(pool) !== undefined;
  }

  /** Whether a network of a pool is the node's to give of. */
  holds(pool: string, network: string): boolean {
    const territory = this.#options.territory(pool);
    return territory === undefined || (territory.networks ?? []).some((each) => holds(each, network));
  }

  /** Throws TryAgainError while it is not known which part of a pool is the node's. */
  require(pool: string): void {
    const territory = this.#options.territory(pool);
    if (territory === undefined || territory.networks !== undefined) return;
    throw new TryAgainError(`Node "${this.#options.node}" has not been given a part of pool "${pool}" yet`, {
      details: "See tendril status.",
    });
  }

  /** Throws AddressError for an address that is not the node's to give, TryAgainError while it is not known which are. */
  requireAddress(pool: string, address: string): void {
    this.require(pool);
    if (this.holds(pool, alone(address))) return;
    const { node, territory } = this.#options;
    throw new AddressError(
      `Address ${address} is not of node "${node}", which gives those of its podCIDRs alone (${territory(pool)?.networks?.join(", ")})`,
      { details: 'With "ipam: node-cidr" an address stays with its node: run the pod there, or ask for no address.' },
    );
  }

  /** A block that is not taken and that the node may claim; undefined when there is none. */
  freeBlock(
    { name, value }: Document<PoolRecord>,
    family: Family,
    taken: (name: string) => boolean,
    seed: bigint,
  ): Cidr | undefined {
    const territory = this.#options.territory(name);
    if (territory === undefined) return freeBlock(value, family, taken, seed);
    for (const cidr of territory.networks ?? []) {
      const isOfPool = value.cidrs.some((whole) => holds(whole, cidr));
      if (!isOfPool || familyOf(cidr) !== family || cidrOf(cidr).bits > blockBitsOf(value, family)) continue;
      // Nobody else looks for one here.
      const found = freeBlock({ ...value, cidrs: [cidr] }, family, taken, 0n);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /**
   * Gives nothing any more of what is not the node's to give, and again of what is by now. A block of which no address is
   * in use may be on its way back to the store; it is claimed anew when it is there.
   */
  keep(): void {
    const { table, territory } = this.#options;
    for (const { block, pool, closed } of table.blocks()) {
      if (territory(pool)?.networks === undefined) continue;
      const apart = apartOf(block);
      const isHome = this.holds(pool, apart === undefined ? blockCidr(block) : alone(apart.address));
      if (!isHome && !closed) table.shutBlock(block);
      else if (isHome && closed) table.reopenBlock(block);
    }
  }

  /** Takes note of who has what. */
  note(blocks: Documents<BlockRecord>): void {
    const { node } = this.#options;
    const holders = new Map<string, Set<string>>();
    for (const { value } of blocks.values()) {
      const isAnothers = value.node !== NOBODY && value.node !== node;
      if (!isAnothers || !this.isParted(value.pool) || !this.holds(value.pool, value.cidr)) continue;
      const key = `${familyOf(value.cidr)} ${value.pool}`;
      holders.set(key, (holders.get(key) ?? new Set()).add(value.node));
    }
    this.#holders = holders;
  }

  /** Why no address of the node's own part of a pool is left, and what to do; undefined for a pool that nodes share. */
  exhaustion(pool: string, family: Family): { readonly sentence: string; readonly remedy: string } | undefined {
    const { node, territory } = this.#options;
    const own = territory(pool);
    if (own === undefined) return undefined;
    const cidr = own.networks?.find((each) => familyOf(each) === family);
    const holders = [...(this.#holders.get(`${family} ${pool}`) ?? [])].map((name) => `"${name}"`);
    return holders.length > 0
      ? {
          sentence: `The podCIDR ${cidr} of node "${node}" is still in the hands of ${holders.join(" and ")}`,
          remedy: "It comes free when no pod there has an address of it any more, or when that node is given up.",
        }
      : {
          sentence: `The podCIDR ${cidr} of node "${node}" has no free address left`,
          remedy:
            "Remove pods, or have nodes given larger ones (--node-cidr-mask-size of the kube-controller-manager).",
        };
  }
}
