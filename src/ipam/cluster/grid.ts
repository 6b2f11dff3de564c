/** Which pools can be side by side: an address must lie in blocks of one size, or it could be given twice. */

import { cidrContains } from "../../core/cidr.ts";
import { cidrOf, type PoolRecord } from "../../core/cluster.ts";
import { blockBitsOf } from "./blocks.ts";

/** The name of a pool that has addresses of the new one in blocks of another size, with the network; or undefined. */
export function offGrid(
  pools: Iterable<{ readonly name: string; readonly value: PoolRecord }>,
  name: string,
  record: PoolRecord,
): { readonly pool: string; readonly cidr: string } | undefined {
  for (const { name: other, value } of pools) {
    if (other === name) continue;
    for (const cidr of value.cidrs) {
      for (const own of record.cidrs) {
        const [theirs, ours] = [cidrOf(cidr), cidrOf(own)];
        if (!cidrContains(theirs, ours.ip) && !cidrContains(ours, theirs.ip)) continue;
        if (blockBitsOf(value, ours.ip.family) !== blockBitsOf(record, ours.ip.family)) return { pool: other, cidr };
      }
    }
  }
  return undefined;
}
