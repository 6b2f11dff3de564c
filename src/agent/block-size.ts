/** How large the blocks are that nodes claim of a pool that the configuration makes. */

import { DEFAULT_BLOCK_BITS } from "../core/cluster.ts";
import { ConfigError } from "../core/errors.ts";
import { addressBits, type Family, familyOf } from "../core/ip.ts";

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

/** So many bits of a block tell its addresses apart at most where it is what a node is given: a node has all of them in a table. */
const MOST_BITS = 12;

/** On a bridge a block is a subnet of its own, of the size that people expect of one. */
const BRIDGE_BITS = 24;

/**
 * The prefix lengths of blocks of these networks of pods, of which nodes are given `parts` where somebody else parts them.
 * A network that is smaller than usual blocks is one, and one that is the node's own is one, too, as is a part unless it is
 * huge. Throws ConfigError for blocks that are larger than networks or parts.
 */
export function blockBitsFor(
  fields: BlockSizeFields,
  networks: readonly string[],
  parts: readonly string[] = [],
): { readonly ipv4: number; readonly ipv6: number } {
  const usual = fields.bridge === undefined ? DEFAULT_BLOCK_BITS.ipv4 : BRIDGE_BITS;
  const all = [...networks, ...parts];
  return {
    ipv4: bitsFor(fields, all, 4, partBits(parts, 4) ?? usual),
    ipv6: bitsFor(fields, all, 6, partBits(parts, 6) ?? DEFAULT_BLOCK_BITS.ipv6),
  };
}

/** Undefined where a node's part is too large to be one block. */
function partBits(parts: readonly string[], family: Family): number | undefined {
  const [bits] = lengthsOf(parts, family);
  return bits !== undefined && addressBits(family) - bits <= MOST_BITS ? bits : undefined;
}

/** Prefix lengths of those of a family. */
function lengthsOf(networks: readonly string[], family: Family): number[] {
  return networks.filter((each) => familyOf(each) === family).map((each) => Number(each.split("/")[1]));
}

function bitsFor(
  { blockSize, ownSubnet }: BlockSizeFields,
  networks: readonly string[],
  family: Family,
  usual: number,
): number {
  const least = Math.max(0, ...lengthsOf(networks, family));
  const given = blockSize[`ipv${family}`];
  if (given !== undefined && given < least) {
    throw new ConfigError(`blockSize.ipv${family}`, `is larger than a network of pods, which is a /${least}`, {
      value: given,
    });
  }
  return given ?? (ownSubnet && least > 0 ? least : Math.max(usual, least));
}
