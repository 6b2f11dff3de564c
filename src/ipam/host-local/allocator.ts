/**
 * Which address comes next.
 *
 * Round robin over a set: the search starts behind the address that was leased last, so an address rests as long as
 * the set allows before it is leased again, and goes through each range once. This is the reference plugin's order,
 * for both may serve one directory in turn.
 */

import { formatIp, type Ip } from "../../core/ip.ts";
import { type Range, type RangeSet, rangeOf } from "./range.ts";

export interface Choice {
  /** The address as text, which is also the name of its lease file. */
  readonly address: string;
  readonly range: Range;
}

/**
 * The first address behind `last` that is no gateway and of which `isFree` says true; undefined when the search comes
 * round. Without `last`, or when it lies outside of the set, the search starts at the first range's first address.
 */
export function nextFree(
  set: RangeSet,
  last: Ip | undefined,
  isFree: (address: string) => boolean,
): Choice | undefined {
  const { family, ranges } = set;
  const lastRange = last === undefined ? undefined : rangeOf(set, last);
  let index = lastRange === undefined ? 0 : ranges.indexOf(lastRange);
  let range = ranges[index] as Range;
  let value = last === undefined || lastRange === undefined ? range.first : last.value;

  const advance = () => {
    if (value < range.last) {
      value++;
      return;
    }
    index = (index + 1) % ranges.length;
    range = ranges[index] as Range;
    value = range.first;
  };

  if (lastRange !== undefined) advance();
  const start = value;
  do {
    if (value !== range.gateway.value) {
      const address = formatIp({ family, value });
      if (isFree(address)) return { address, range };
    }
    advance();
    // Ranges of a set are apart, so the value alone tells where the search began.
  } while (value !== start);
  return undefined;
}
