/** Pools that are made at their first use, beside those that the operator makes. */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import { ifUnchanged } from "../cluster/reclaim.ts";
import type { PoolRecord } from "../core/cluster.ts";
import { ConfigError } from "../core/errors.ts";
import { offGrid } from "../ipam/cluster/grid.ts";

/**
 * Makes a pool unless it is there. Throws ConfigError, which names `field`, when another pool has addresses of it in
 * blocks of another size, so that an address could be given twice; StoreUnavailableError.
 *
 * It looks before and again afterwards: of two that are made at the same time one at least sees the other, and goes.
 */
export async function ensurePool(
  { pools }: ClusterStore,
  name: string,
  record: PoolRecord,
  field: string,
): Promise<void> {
  if ((await pools.get(name)) !== undefined) return;
  const check = async () => {
    const other = offGrid((await pools.list()).values(), name, record);
    if (other === undefined) return;
    throw new ConfigError(field, `overlaps with pool "${other.pool}" (${other.cidr}), whose blocks have another size`, {
      value: record.cidrs[0],
      details: "Choose another range, or delete that pool.",
    });
  };
  await check();
  await ifUnchanged(() => pools.create(name, record));
  try {
    await check();
  } catch (error) {
    const made = await pools.get(name);
    if (made !== undefined) await ifUnchanged(() => pools.delete(made));
    throw error;
  }
}
