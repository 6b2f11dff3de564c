/** A span of addresses as the fewest networks that make it up. */

import type { Cidr } from "../core/cidr.ts";
import { addressBits, type Family } from "../core/ip.ts";

/** The networks from one address to another, both included; none where the last comes before the first. */
export function spans(family: Family, first: bigint, last: bigint): Cidr[] {
  const all = addressBits(family);
  const networks: Cidr[] = [];
  let next = first;
  while (next <= last) {
    let size = 0;
    while (
      size < all &&
      (next & ((1n << BigInt(size + 1)) - 1n)) === 0n &&
      next + (1n << BigInt(size + 1)) - 1n <= last
    )
      size++;
    networks.push({ ip: { family, value: next }, bits: all - size });
    next += 1n << BigInt(size);
  }
  return networks;
}
