/** How large the blocks are that nodes claim of a pool that the configuration makes. */

import { DEFAULT_BLOCK_BITS } from "../core/cluster.ts";
import { ConfigError } from "../core/errors.ts";
import { type Family, familyOf } from "../core/ip.ts";

/** Prefix lengths that the configuration names. */
export interface GivenBlockSize {
  readonly ipv4: number | undefined;
  readonly ipv6: number | undefined;
}

export interface BlockSizeFields {
  readonly blockSize: GivenBlockSize;
  readonly bridge: string | undefined;
  readonly ownSubnet: boolean;
}

/** On a bridge a block is a subnet of its own, of the size that people expect of one. */
const BRIDGE_BITS = 24;

/**
 * The prefix lengths of blocks of these networks of pods. A network that is smaller than usual blocks is one, and one
 * that is the node's own is one, too. Throws ConfigError for blocks that are larger than networks.
 */
export function blockBitsFor(
  fields: BlockSizeFields,
  networks: readonly string[],
): { readonly ipv4: number; readonly ipv6: number } {
  const usual = fields.bridge === undefined ? DEFAULT_BLOCK_BITS.ipv4 : BRIDGE_BITS;
  return { ipv4: bitsFor(fields, networks, 4, usual), ipv6: bitsFor(fields, networks, 6, DEFAULT_BLOCK_BITS.ipv6) };
}

function bitsFor(
  { blockSize, ownSubnet }: BlockSizeFields,
  networks: readonly string[],
  family: Family,
  usual: number,
): number {
  const lengths = networks.filter((each) => familyOf(each) === family).map((each) => Number(each.split("/")[1]));
  const least = Math.max(0, ...lengths);
  const given = blockSize[`ipv${family}`];
  if (given !== undefined && given < least) {
    throw new ConfigError(`blockSize.ipv${family}`, `is larger than the pods' network of /${least}`, { value: given });
  }
  return given ?? (ownSubnet && least > 0 ? least : Math.max(usual, least));
}
