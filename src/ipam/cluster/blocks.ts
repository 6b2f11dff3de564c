/** Pools cut into blocks: which there are, what they are called, and which of their addresses a pod may have. */

import { type Cidr, cidrContains, formatCidr, lastAddress, networkAddress, networkOf } from "../../core/cidr.ts";
import { cidrOf, type PoolRecord } from "../../core/cluster.ts";
import { addressBits, type Family, formatIp, type Ip } from "../../core/ip.ts";

/** The name of a block's document, such as `10.244.0.64-26`. */
export function blockName(block: Cidr): string {
  return formatCidr(block).replace(/[:/]/g, "-");
}

/** A pool's network of a family. */
export function poolNetwork({ cidrs }: Pick<PoolRecord, "cidrs">, family: Family): Cidr | undefined {
  return cidrs.map(cidrOf).find(({ ip }) => ip.family === family);
}

/** The block of a pool that an address lies in, or undefined for an address that is not the pool's. */
export function blockOf(pool: Pick<PoolRecord, "cidrs" | "blockBits">, address: Ip): Cidr | undefined {
  const network = poolNetwork(pool, address.family);
  if (network === undefined || !cidrContains(network, address)) return undefined;
  return networkOf({ ip: address, bits: bitsOf(pool, address.family) });
}

/**
 * A block of a pool's family that is not taken, or undefined when all are. The search begins at a place that depends on
 * `seed`, so that nodes which claim at the same time seldom want the same one.
 */
export function freeBlock(
  pool: Pick<PoolRecord, "cidrs" | "blockBits">,
  family: Family,
  taken: (name: string) => boolean,
  seed: bigint,
): Cidr | undefined {
  const network = poolNetwork(pool, family);
  if (network === undefined) return undefined;
  const bits = bitsOf(pool, family);
  const count = 1n << BigInt(bits - network.bits);
  const size = BigInt(addressBits(family) - bits);
  const start = BigInt.asUintN(64, seed) % count;
  const first = networkAddress(network).value;
  for (let i = 0n; i < count; i++) {
    const index = (start + i) % count;
    const block: Cidr = { ip: { family, value: first + (index << size) }, bits };
    if (!taken(blockName(block))) return block;
  }
  return undefined;
}

/**
 * The addresses of a block that pods may have, in order: not the excluded ones, nor the first of the pool's network,
 * nor in IPv4 its last, which some systems take for the network's own and for broadcast.
 */
export function usableAddresses(pool: Pick<PoolRecord, "cidrs" | "excluded">, block: Cidr): string[] {
  const { family } = block.ip;
  const network = poolNetwork(pool, family);
  const excluded = pool.excluded.map(cidrOf);
  const special = network === undefined ? [] : [networkAddress(network).value];
  if (network !== undefined && family === 4 && network.bits < 31) special.push(lastAddress(network).value);
  const addresses: string[] = [];
  for (let value = networkAddress(block).value; value <= lastAddress(block).value; value++) {
    const ip: Ip = { family, value };
    if (special.includes(value) || excluded.some((range) => cidrContains(networkOf(range), ip))) continue;
    addresses.push(formatIp(ip));
  }
  return addresses;
}

function bitsOf({ blockBits }: Pick<PoolRecord, "blockBits">, family: Family): number {
  return family === 4 ? blockBits.ipv4 : blockBits.ipv6;
}
