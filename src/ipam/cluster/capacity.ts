/** How many addresses a pool has for pods, counted without naming each: of IPv6 there are more than memory. */

import { lastAddress, networkAddress, networkOf } from "../../core/cidr.ts";
import { cidrOf, type PoolRecord } from "../../core/cluster.ts";
import { addressBits, type Family } from "../../core/ip.ts";
import { blockBitsOf, poolNetwork } from "./blocks.ts";

interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

/** The addresses of a family that `usableAddresses` gives of all blocks together. */
export function poolCapacity(
  pool: Pick<PoolRecord, "cidrs" | "blockBits" | "excluded" | "gateways">,
  family: Family,
): bigint {
  const network = poolNetwork(pool, family);
  if (network === undefined) return 0n;
  const whole = { first: networkAddress(network).value, last: lastAddress(network).value };
  const excluded = merged(
    pool.excluded
      .map(cidrOf)
      .filter(({ ip }) => ip.family === family)
      .map((range) => clip({ first: networkAddress(networkOf(range)).value, last: lastAddress(range).value }, whole)),
  );
  const specials = specialsOf(pool, family, whole, network.bits);
  const taken = excluded.reduce((sum, span) => sum + size(span) - specials(span), 0n);
  return size(whole) - specials(whole) - taken;
}

/** Counts the addresses within a span that are never given, such as gateways. */
function specialsOf(
  pool: Pick<PoolRecord, "blockBits" | "gateways">,
  family: Family,
  whole: Span,
  bits: number,
): (span: Span) => bigint {
  const ends = family === 4 && bits < 31 ? [whole.first, whole.last] : [whole.first];
  if (!pool.gateways) return (span) => BigInt(ends.filter((value) => isIn(value, span)).length);
  // Each block has the same ones; the ends of the pool's network are among those of the first and the last block.
  const step = 1n << BigInt(addressBits(family) - blockBitsOf(pool, family));
  const offsets = [...new Set([0n, 1n % step, ...(family === 4 ? [step - 1n] : [])])];
  return (span) => offsets.reduce((sum, offset) => sum + countOf(span, whole.first + offset, step), 0n);
}

/** How many of the numbers first, first + step, … are in a span that begins no earlier than the pool. */
function countOf({ first, last }: Span, start: bigint, step: bigint): bigint {
  const below = (value: bigint) => (value < start ? 0n : (value - start) / step + 1n);
  return below(last) - below(first - 1n);
}

function merged(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const span of spans.filter(({ first, last }) => first <= last).sort((a, b) => (a.first < b.first ? -1 : 1))) {
    const before = result.at(-1);
    if (before === undefined || span.first > before.last) result.push(span);
    else if (span.last > before.last) result[result.length - 1] = { first: before.first, last: span.last };
  }
  return result;
}

function clip({ first, last }: Span, { first: from, last: to }: Span): Span {
  return { first: first < from ? from : first, last: last > to ? to : last };
}

function size({ first, last }: Span): bigint {
  return last - first + 1n;
}

function isIn(value: bigint, { first, last }: Span): boolean {
  return value >= first && value <= last;
}
