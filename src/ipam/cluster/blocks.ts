/** Pools cut into blocks: which there are, what they are called, and which of their addresses a pod may have. */

import { type Cidr, cidrContains, formatCidr, lastAddress, networkAddress, networkOf } from "../../core/cidr.ts";
import { cidrOf, type PoolRecord } from "../../core/cluster.ts";
import { addressBits, type Family, formatIp, type Ip, parseIp } from "../../core/ip.ts";

/** The name of a block's document, such as `10.244.0.64-26`. */
export function blockName(block: Cidr): string {
  return formatCidr(block).replace(/[:/]/g, "-");
}

/** The network of the block that a name is of. */
export function blockCidr(name: string): string {
  return name.replace(/-([0-9]+)$/, "/$1").replaceAll("-", ":");
}

/** A pool's network of a family. */
export function poolNetwork({ cidrs }: Pick<PoolRecord, "cidrs">, family: Family): Cidr | undefined {
  return cidrs.map(cidrOf).find(({ ip }) => ip.family === family);
}

/** The families that a pool has addresses of. */
export function familiesOf(pool: Pick<PoolRecord, "cidrs">): Family[] {
  return ([4, 6] as const).filter((family) => poolNetwork(pool, family) !== undefined);
}

/** The block of a pool that an address lies in, or undefined for an address that is not the pool's. */
export function blockOf(pool: Pick<PoolRecord, "cidrs" | "blockBits">, address: Ip): Cidr | undefined {
  const network = poolNetwork(pool, address.family);
  if (network === undefined || !cidrContains(network, address)) return undefined;
  return networkOf({ ip: address, bits: blockBitsOf(pool, address.family) });
}

/** Among so many blocks a search begins: IPv6 has more than can be told apart by eye, and the first have short addresses. */
const NEAR = 0x10000n;

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
  const bits = blockBitsOf(pool, family);
  const count = 1n << BigInt(bits - network.bits);
  const size = BigInt(addressBits(family) - bits);
  const start = BigInt.asUintN(64, seed) % (count < NEAR ? count : NEAR);
  const first = networkAddress(network).value;
  for (let i = 0n; i < count; i++) {
    const index = (start + i) % count;
    const block: Cidr = { ip: { family, value: first + (index << size) }, bits };
    if (!taken(blockName(block))) return block;
  }
  return undefined;
}

/** How many blocks a pool has of a family. */
export function blockCount(pool: Pick<PoolRecord, "cidrs" | "blockBits">, family: Family): bigint {
  const network = poolNetwork(pool, family);
  return network === undefined ? 0n : 1n << BigInt(blockBitsOf(pool, family) - network.bits);
}

/**
 * The addresses of a block that pods may have, in order: not the excluded ones, nor the first of the pool's network,
 * nor in IPv4 its last, which some systems take for the network's own and for broadcast. Where each block is a subnet
 * with a gateway, nor its own.
 */
export function usableAddresses(pool: Pick<PoolRecord, "cidrs" | "excluded" | "gateways">, block: Cidr): string[] {
  const { family } = block.ip;
  const network = poolNetwork(pool, family);
  const excluded = pool.excluded.map(cidrOf);
  const special = network === undefined ? [] : [networkAddress(network).value];
  if (network !== undefined && family === 4 && network.bits < 31) special.push(lastAddress(network).value);
  if (pool.gateways) {
    special.push(networkAddress(block).value, gatewayOf(block).value);
    if (family === 4) special.push(lastAddress(block).value);
  }
  const addresses: string[] = [];
  for (let value = networkAddress(block).value; value <= lastAddress(block).value; value++) {
    const ip: Ip = { family, value };
    if (special.includes(value) || excluded.some((range) => cidrContains(networkOf(range), ip))) continue;
    addresses.push(formatIp(ip));
  }
  return addresses;
}

/** Whether an address of a block, given by its name, is one that a pool can give to a pod. */
export function isUsable(
  pool: Pick<PoolRecord, "cidrs" | "excluded" | "gateways" | "blockBits">,
  name: string,
  address: string,
): boolean {
  const ip = parseIp(address);
  if (ip === undefined) return false;
  const block = blockOf(pool, ip);
  return block !== undefined && blockName(block) === name && usableAddresses(pool, block).includes(formatIp(ip));
}

/** The gateway of a block that is a subnet of its own. */
export function gatewayOf(block: Cidr): Ip {
  return { family: block.ip.family, value: networkAddress(block).value + 1n };
}

/** The prefix length of the blocks of a family. */
export function blockBitsOf({ blockBits }: Pick<PoolRecord, "blockBits">, family: Family): number {
  return family === 4 ? blockBits.ipv4 : blockBits.ipv6;
}
