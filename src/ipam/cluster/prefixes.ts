/**
 * Which networks lead to which node: its blocks, and single addresses of others' blocks that it holds, borrowed or
 * reserved. Who holds an address is in its block's document alone, so that is all that routes are made from.
 */

import { type BlockRecord, NOBODY, type PoolRecord } from "../../core/cluster.ts";
import { addressBits, parseIp } from "../../core/ip.ts";

/** What a block's document gives to nodes: pairs of a node and a prefix in CIDR notation. */
function prefixesOfBlock({ cidr, node, lent }: BlockRecord): [node: string, prefix: string][] {
  const pairs: [string, string][] = node === NOBODY ? [] : [[node, cidr]];
  for (const [address, holder] of Object.entries(lent)) {
    const ip = parseIp(address);
    // An address that the block's own node holds lies on the way that the block has.
    if (ip !== undefined && holder !== node) pairs.push([holder, `${address}/${addressBits(ip.family)}`]);
  }
  return pairs;
}

/** The prefixes of each node, in a stable order. Nodes that have none are not in it. */
export function prefixesOf(
  blocks: Iterable<BlockRecord>,
  pools: ReadonlyMap<string, PoolRecord>,
): Map<string, readonly string[]> {
  const prefixes = new Prefixes();
  let i = 0;
  for (const block of blocks) prefixes.put(String(i++), isRouted(block, pools) ? block : undefined);
  return new Map(prefixes.nodes().map((node) => [node, prefixes.of(node)]));
}

/** Whether the cluster's nodes lead a block's addresses to each other: not those of a LAN that the nodes share. */
export function isRouted({ pool }: BlockRecord, pools: ReadonlyMap<string, PoolRecord>): boolean {
  const found = pools.get(pool);
  // A pool that has been deleted, while its blocks are in use still.
  if (found === undefined) return true;
  return found.routed !== false;
}

/** The prefixes of all nodes, kept up to date document by document. */
export class Prefixes {
  /** What each block's document gives. */
  readonly #blocks = new Map<string, readonly [node: string, prefix: string][]>();
  readonly #nodes = new Map<string, Set<string>>();

  /** Takes a block's document as it is by now, or that it is gone. Returns the nodes whose prefixes have changed. */
  put(name: string, block: BlockRecord | undefined): string[] {
    const before = this.#blocks.get(name) ?? [];
    const after = block === undefined ? [] : prefixesOfBlock(block);
    if (block === undefined) this.#blocks.delete(name);
    else this.#blocks.set(name, after);
    const key = ([node, prefix]: readonly [string, string]) => `${node} ${prefix}`;
    const [was, is] = [new Set(before.map(key)), new Set(after.map(key))];
    const changed = new Set<string>();
    for (const pair of before) if (!is.has(key(pair))) changed.add(this.#remove(pair));
    for (const pair of after) if (!was.has(key(pair))) changed.add(this.#add(pair));
    return [...changed];
  }

  /** A node's prefixes, in a stable order. */
  of(node: string): readonly string[] {
    return [...(this.#nodes.get(node) ?? [])].sort();
  }

  nodes(): string[] {
    return [...this.#nodes.keys()];
  }

  #add([node, prefix]: readonly [string, string]): string {
    const prefixes = this.#nodes.get(node) ?? new Set();
    this.#nodes.set(node, prefixes.add(prefix));
    return node;
  }

  #remove([node, prefix]: readonly [string, string]): string {
    const prefixes = this.#nodes.get(node);
    prefixes?.delete(prefix);
    if (prefixes?.size === 0) this.#nodes.delete(node);
    return node;
  }
}
