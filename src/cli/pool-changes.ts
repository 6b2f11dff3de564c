/**
 * Changes of pools that an operator asks for.
 *
 * No store has a change of several documents in one. So what else has to be true is looked at before the change and
 * again after it; when somebody has come in between, the change is taken back.
 */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import { ifUnchanged } from "../cluster/reclaim.ts";
import { type BlockRecord, DOCUMENT_VERSION, type PoolRecord, poolDocuments } from "../core/cluster.ts";
import { ConfigError, ConflictError, TendrilError } from "../core/errors.ts";
import { familyOf } from "../core/ip.ts";
import { hasAddress, holds, overlap } from "../core/networks.ts";
import type { Document, Documents } from "../store/collection.ts";

export interface PoolRequest {
  readonly cidrs: readonly string[];
  /** Prefix lengths; /26 and /122 unless given. */
  readonly blockBits: { readonly ipv4?: number | undefined; readonly ipv6?: number | undefined };
  readonly excluded: readonly string[];
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly masquerade: boolean;
  /** Whether the first address of each block is kept for a bridge's gateway. */
  readonly gateways: boolean;
}

/** Makes a pool. Throws ConfigError, and ConflictError when there is one of this name or one that it overlaps. */
export async function createPool({ pools }: ClusterStore, name: string, request: PoolRequest): Promise<PoolRecord> {
  const { gateways, ...fields } = request;
  const pool = poolDocuments.parse({ version: DOCUMENT_VERSION, ...fields, ...(gateways && { gateways }) });
  for (const [i, excluded] of pool.excluded.entries()) {
    if (pool.cidrs.some((cidr) => overlap(cidr, excluded))) continue;
    throw new ConfigError(`excluded[${i}]`, "lies in no network of the pool", { value: excluded });
  }
  refuseOverlap(name, pool, await pools.list());
  if (!(await ifUnchanged(() => pools.create(name, pool))))
    throw new ConflictError(`There is a pool "${name}" already`);
  const now = await pools.list();
  try {
    refuseOverlap(name, pool, now);
  } catch (error) {
    const made = now.get(name);
    if (made !== undefined) await ifUnchanged(() => pools.delete(made));
    throw error;
  }
  return pool;
}

/** Deletes a pool that no node holds a block of. Throws ConflictError, which names the blocks. */
export async function deletePool({ pools, blocks }: ClusterStore, name: string): Promise<void> {
  const pool = await existing(pools, name);
  const refuseClaimed = async () => {
    const claimed = blocksOf(name, await blocks.list());
    if (claimed.length === 0) return;
    throw new ConflictError(`Cannot delete pool "${name}": ${blocksInWords(claimed)}`, {
      details: "A node gives a block back when none of its pods has had an address of it for some time.",
    });
  };
  await refuseClaimed();
  if (!(await ifUnchanged(() => pools.delete(pool)))) throw changedMeanwhile("delete", name);
  try {
    await refuseClaimed();
  } catch (error) {
    await ifUnchanged(() => pools.create(name, pool.value));
    throw error;
  }
}

/**
 * Gives a pool other networks; that of a family which is not named stays. Throws ConfigError, and ConflictError when a
 * claimed block, or a reserved address, would not lie in the pool any more, when another pool has some of the
 * addresses, or when somebody else has changed the pool meanwhile.
 */
export async function resizePool(cluster: ClusterStore, name: string, cidrs: readonly string[]): Promise<PoolRecord> {
  const { pools } = cluster;
  const before = await existing(pools, name);
  const families = new Set(cidrs.map(familyOf));
  const kept = before.value.cidrs.filter((cidr) => !families.has(familyOf(cidr)));
  const pool = poolDocuments.parse({ ...before.value, cidrs: [...cidrs, ...kept] });
  refuseOverlap(name, pool, await pools.list());
  await refuseCut(cluster, before, pool);
  if (!(await ifUnchanged(() => pools.update(before, pool)))) throw changedMeanwhile("resize", name);
  try {
    refuseOverlap(name, pool, await pools.list());
    await refuseCut(cluster, before, pool);
  } catch (error) {
    const now = await pools.get(name);
    if (now !== undefined && sameNetworks(now.value, pool)) {
      await ifUnchanged(() => pools.update(now, { ...now.value, cidrs: before.value.cidrs }));
    }
    throw error;
  }
  return pool;
}

function sameNetworks(a: PoolRecord, b: PoolRecord): boolean {
  return a.cidrs.join() === b.cidrs.join();
}

async function existing(pools: ClusterStore["pools"], name: string): Promise<Document<PoolRecord>> {
  const all = await pools.list();
  const pool = all.get(name);
  if (pool !== undefined) return pool;
  const details = all.size === 0 ? "There is none at all." : `There are ${[...all.keys()].join(", ")}.`;
  throw new TendrilError(`There is no pool "${name}"`, { details });
}

function changedMeanwhile(action: string, name: string): ConflictError {
  return new ConflictError(`Cannot ${action} pool "${name}": somebody else has changed it meanwhile`);
}

function refuseOverlap(name: string, { cidrs }: PoolRecord, pools: Documents<PoolRecord>): void {
  for (const other of pools.values()) {
    if (other.name === name) continue;
    for (const cidr of cidrs) {
      const taken = other.value.cidrs.find((one) => overlap(one, cidr));
      if (taken === undefined) continue;
      throw new ConflictError(`Network ${cidr} of pool "${name}" overlaps ${taken} of pool "${other.name}"`);
    }
  }
}

/** What lay in the pool and would lie in it no more. */
async function refuseCut(
  { blocks, reservations }: ClusterStore,
  { name, value: before }: Document<PoolRecord>,
  after: PoolRecord,
): Promise<void> {
  const cut = blocksOf(name, await blocks.list()).filter(({ cidr }) => !after.cidrs.some((one) => holds(one, cidr)));
  if (cut.length > 0)
    throw new ConflictError(`Cannot resize pool "${name}": ${blocksInWords(cut)}, outside of it then`);
  const has = ({ cidrs }: PoolRecord, address: string) => hasAddress(cidrs, address);
  for (const { value } of (await reservations.list()).values()) {
    const lost = value.addresses.find((address) => has(before, address) && !has(after, address));
    if (lost === undefined) continue;
    throw new ConflictError(
      `Cannot resize pool "${name}": ${lost}, outside of it then, is reserved for ${value.owner}`,
    );
  }
}

function blocksOf(pool: string, blocks: Documents<BlockRecord>): BlockRecord[] {
  return [...blocks.values()].map(({ value }) => value).filter((block) => block.pool === pool);
}

/** How many blocks a message names. */
const MOST = 5;

function blocksInWords(blocks: readonly BlockRecord[]): string {
  const named = blocks.slice(0, MOST).map(({ cidr, node }) => `${cidr} by node "${node}"`);
  const more = blocks.length > MOST ? ` and ${blocks.length - MOST} more` : "";
  return `claimed of it ${blocks.length === 1 ? "is" : "are"} ${named.join(", ")}${more}`;
}

/** Whether an address can be given to a pod of this pool at all. */
export function isOfPool(pool: PoolRecord, address: string): boolean {
  return hasAddress(pool.cidrs, address);
}
