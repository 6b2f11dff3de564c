/**
 * Elements of sets with ranges.
 *
 * In a set of single fields the kernel has an element for the start of each range, and one for the first value after
 * its end. In a set of concatenations it has one element with both ends.
 */

import { NFT_SET_ELEM_CATCHALL, NFT_SET_ELEM_INTERVAL_END } from "./constants.ts";

/** The least that an element needs for its place in the order. */
interface Placed {
  readonly key?: { readonly value?: Uint8Array };
  readonly flags?: number;
}

/** An element with the last value of its range. */
export interface Interval<E> {
  readonly element: E;
  readonly last: Uint8Array;
}

/** Joins starts with ends, in ascending order. A start without an end reaches up to the highest value. */
export function joinIntervals<E extends Placed>(elements: readonly E[]): Interval<E>[] {
  const sorted = elements
    .filter(({ key, flags = 0 }) => key?.value !== undefined && (flags & NFT_SET_ELEM_CATCHALL) === 0)
    .sort((a, b) => compareBytes(keyOf(a), keyOf(b)) || endsFirst(a, b));
  const joined: Interval<E>[] = [];
  for (const [i, element] of sorted.entries()) {
    if (isEnd(element)) continue;
    // Where another range starts at once there may be no end of its own.
    const next = sorted[i + 1];
    joined.push({ element, last: next === undefined ? keyOf(element).map(() => 0xff) : before(keyOf(next)) });
  }
  return joined;
}

function isEnd({ flags = 0 }: Placed): boolean {
  return (flags & NFT_SET_ELEM_INTERVAL_END) !== 0;
}

function endsFirst(a: Placed, b: Placed): number {
  return Number(isEnd(b)) - Number(isEnd(a));
}

function keyOf(element: Placed): Uint8Array {
  return element.key?.value ?? new Uint8Array();
}

/** Below zero, zero or above it, as numbers in network order compare. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The number after this one, in network order; undefined after the highest. */
export function after(bytes: Uint8Array): Uint8Array | undefined {
  const next = bytes.slice();
  for (let i = next.length - 1; i >= 0; i--) {
    next[i] = ((next[i] as number) + 1) & 0xff;
    if (next[i] !== 0) return next;
  }
  return undefined;
}

/** The number before this one, in network order; zero stays. */
function before(bytes: Uint8Array): Uint8Array {
  const previous = bytes.slice();
  for (let i = previous.length - 1; i >= 0; i--) {
    const byte = previous[i] as number;
    previous[i] = (byte - 1) & 0xff;
    if (byte !== 0) return previous;
  }
  return bytes.slice();
}
