/** Values as nft(8) writes them. */

import type { NftRange, NftTuple, NftType, NftValue } from "../../core/nftables.ts";
import { DATA_TYPES, decodeValue, encodeValue } from "./datatypes.ts";

/** The name of a link by its index, as nft(8) shows it; undefined where there is none. */
export type LinkName = (index: number) => string | undefined;

/** One value, by its type. Throws TypeError for one that its type does not have. */
export function formatValue(type: NftType, value: NftValue, linkName?: LinkName): string {
  const { text, hex, size, bits } = DATA_TYPES[type];
  if (text === "name") return `"${value}"`;
  if (text !== undefined) return String(value);
  // By way of its bytes, so that 6 is shown as tcp.
  const shown = decodeValue(type, encodeValue(type, value));
  if (typeof shown === "string") return shown;
  const name = type === "iface_index" ? linkName?.(shown) : undefined;
  if (name !== undefined) return `"${name}"`;
  if (bits) return `0x${shown.toString(16)}`;
  return hex ? `0x${shown.toString(16).padStart(2 * size, "0")}` : String(shown);
}

/** One part of a key: a value, or a range. */
export function formatPart(type: NftType, part: NftValue | NftRange, linkName?: LinkName): string {
  if (typeof part !== "object") return formatValue(type, part, linkName);
  return `${formatValue(type, part.from, linkName)}-${formatValue(type, part.to, linkName)}`;
}

/** A key or value of several parts. */
export function formatTuple(types: readonly NftType[], tuple: NftTuple, linkName?: LinkName): string {
  return tuple.map((part, i) => formatPart(types[i] as NftType, part, linkName)).join(" . ");
}

/** A time such as `1h30m`. */
export function formatTime(milliseconds: number): string {
  const units: readonly (readonly [number, string])[] = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "m"],
    [1000, "s"],
    [1, "ms"],
  ];
  let rest = milliseconds;
  let text = "";
  for (const [size, unit] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === "" ? "0s" : text;
}
