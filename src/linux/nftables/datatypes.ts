/**
 * The types of keys and values: their number in a set's description, their size, how a value lies in a register, and
 * how nft(8) writes it.
 *
 * The kernel compares bytes and knows nothing of types; nft(8) reads their numbers from the set to print it.
 * @see nft(8) "Data types"; the numbers are those of enum datatypes in nft's include/datatype.h
 */

import { DecodeError } from "../../core/errors.ts";
import { formatIpBytes, ipToBytes, parseIp } from "../../core/ip.ts";
import { formatMac, parseMac } from "../../core/mac.ts";
import { MAX_INTERFACE_NAME } from "../../core/names.ts";
import type { NftRange, NftTuple, NftType, NftValue } from "../../core/nftables.ts";
import {
  ADDRESS_TYPES,
  CT_DIRECTIONS,
  CT_STATES,
  CT_STATUSES,
  ETHER_TYPES,
  HARDWARE_TYPES,
  ICMP_TYPES,
  ICMPV6_TYPES,
  NF_PROTOCOLS,
  PROTOCOLS,
  type Symbols,
  wordOf,
} from "./symbols.ts";

export interface DataType {
  readonly number: number;
  /** In bytes. */
  readonly size: number;
  /** Numbers of several bytes are in host order; others, and addresses, in network order. */
  readonly host?: true;
  readonly symbols?: Symbols;
  /** Each bit has a word of its own. */
  readonly bits?: true;
  /** How many decimals or hexadecimals; decimal unless given. */
  readonly hex?: true;
  /** Not a number: an address, or a name. */
  readonly text?: "ip" | "mac" | "name";
}

export const DATA_TYPES: { readonly [K in NftType]: DataType } = {
  nf_proto: { number: 2, size: 1, symbols: NF_PROTOCOLS },
  ipv4_addr: { number: 7, size: 4, text: "ip" },
  ipv6_addr: { number: 8, size: 16, text: "ip" },
  ether_addr: { number: 9, size: 6, text: "mac" },
  ether_type: { number: 10, size: 2, symbols: ETHER_TYPES, hex: true },
  inet_proto: { number: 12, size: 1, symbols: PROTOCOLS },
  inet_service: { number: 13, size: 2 },
  icmp_type: { number: 14, size: 1, symbols: ICMP_TYPES },
  mark: { number: 19, size: 4, host: true, hex: true },
  iface_index: { number: 20, size: 4, host: true },
  iface_type: { number: 21, size: 2, host: true, symbols: HARDWARE_TYPES },
  ct_state: { number: 26, size: 4, host: true, symbols: CT_STATES, bits: true },
  ct_dir: { number: 27, size: 1, host: true, symbols: CT_DIRECTIONS },
  ct_status: { number: 28, size: 4, host: true, symbols: CT_STATUSES, bits: true },
  icmpv6_type: { number: 29, size: 1, symbols: ICMPV6_TYPES },
  fib_addrtype: { number: 38, size: 4, host: true, symbols: ADDRESS_TYPES },
  ifname: { number: 41, size: 16, host: true, text: "name" },
};

/** Bits of a type's number where several make one: a concatenation. */
const TYPE_BITS = 6;

/** The number of a type, or of a concatenation. */
export function typeNumber(types: readonly NftType[]): number {
  return types.reduce((number, type) => (number << TYPE_BITS) | DATA_TYPES[type].number, 0) >>> 0;
}

/** The types that a number stands for; undefined where one of them is not known here. */
export function typesOf(number: number): NftType[] | undefined {
  const types: NftType[] = [];
  for (let rest = number; rest > 0; rest >>>= TYPE_BITS) {
    const type = typeByNumber(rest & ((1 << TYPE_BITS) - 1));
    if (type === undefined) return undefined;
    types.unshift(type);
  }
  return types.length === 0 ? undefined : types;
}

function typeByNumber(number: number): NftType | undefined {
  for (const name in DATA_TYPES) if (DATA_TYPES[name as NftType].number === number) return name as NftType;
  return undefined;
}

/** The bytes that one part of a concatenation takes: whole words. */
export function paddedSize(type: NftType): number {
  return (DATA_TYPES[type].size + 3) & ~3;
}

/** The bytes of a key or value: its type's size, or in a concatenation the whole words of all parts. */
export function tupleSize(types: readonly NftType[]): number {
  const [only, ...more] = types;
  if (only !== undefined && more.length === 0) return DATA_TYPES[only].size;
  return types.reduce((size, type) => size + paddedSize(type), 0);
}

/** The bytes of a value. Throws TypeError for one that its type does not have. */
export function encodeValue(type: NftType, value: NftValue): Uint8Array {
  const { size, host, symbols, bits, text } = DATA_TYPES[type];
  if (text !== undefined) return encodeText(type, text, size, String(value));
  const number = typeof value === "number" ? value : parseNumber(value, symbols, bits);
  if (number === undefined || !Number.isInteger(number) || number < 0 || number >= 2 ** (8 * size)) {
    throw notA(type, value);
  }
  const bytes = new Uint8Array(size);
  for (let i = 0, rest = number; i < size; i++, rest = Math.floor(rest / 256)) {
    bytes[host ? i : size - 1 - i] = rest % 256;
  }
  return bytes;
}

function encodeText(type: NftType, text: "ip" | "mac" | "name", size: number, value: string): Uint8Array {
  if (text === "name") {
    // An asterisk stands for any rest, which is not one value; nft(8) writes a backslash before one that is meant.
    if (/(^|[^\\])\*$/.test(value)) throw notA(type, value);
    const name = new TextEncoder().encode(value.replace(/\\\*$/, "*"));
    const bytes = new Uint8Array(size);
    if (name.length > MAX_INTERFACE_NAME) throw notA(type, value);
    bytes.set(name);
    return bytes;
  }
  const ip = text === "ip" ? parseIp(value) : undefined;
  const bytes = text === "mac" ? parseMac(value) : ip === undefined ? undefined : ipToBytes(ip);
  if (bytes === undefined || bytes.length !== size) throw notA(type, value);
  return bytes;
}

function parseNumber(text: string, symbols: Symbols | undefined, bits: true | undefined): number | undefined {
  if (/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) return Number(text);
  if (symbols === undefined) return undefined;
  let number = 0;
  for (const word of bits ? text.split(",") : [text]) {
    const found = Object.hasOwn(symbols, word) ? symbols[word] : undefined;
    if (found === undefined) return undefined;
    number |= found;
  }
  return number;
}

function notA(type: NftType, value: unknown): TypeError {
  return new TypeError(`${JSON.stringify(value)} is not a value of type ${type}`);
}

/** The value of bytes: what {@link encodeValue} would take for them. */
export function decodeValue(type: NftType, bytes: Uint8Array): NftValue {
  const { text, symbols, bits } = DATA_TYPES[type];
  if (text === "ip" && (bytes.length === 4 || bytes.length === 16)) return formatIpBytes(bytes);
  if (text === "mac") return formatMac(bytes);
  if (text === "name") return decodeName(bytes);
  const number = decodeNumber(type, bytes);
  if (symbols === undefined) return number;
  if (bits) return wordsOf(symbols, number) ?? number;
  return wordOf(symbols, number) ?? number;
}

function decodeName(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const text = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  if (new TextEncoder().encode(text).length > MAX_INTERFACE_NAME)
    throw new DecodeError("An interface's name is too long");
  return text.replace(/\*$/, "\\*");
}

/** The number that bytes of a type stand for. */
export function decodeNumber(type: NftType, bytes: Uint8Array): number {
  const { host } = DATA_TYPES[type];
  let number = 0;
  for (let i = 0; i < bytes.length; i++) number = number * 256 + (bytes[host ? bytes.length - 1 - i : i] as number);
  return number;
}

/** The words of bits, lowest first; undefined where a bit has none. */
function wordsOf(symbols: Symbols, number: number): string | undefined {
  const words: string[] = [];
  for (let bit = 0; bit < 32; bit++) {
    const value = 2 ** bit;
    if (Math.floor(number / value) % 2 === 0) continue;
    const word = wordOf(symbols, value);
    if (word === undefined) return undefined;
    words.push(word);
  }
  return words.length === 0 ? undefined : words.join(",");
}

/** The ends of what one part of a key says: of a range, of a prefix, or of one value, which is both. */
export function encodeEnds(type: NftType, part: NftValue | NftRange): { from: Uint8Array; to: Uint8Array } {
  if (typeof part === "object") return { from: encodeValue(type, part.from), to: encodeValue(type, part.to) };
  const prefix = parsePrefix(type, part);
  if (prefix === undefined) {
    const value = encodeValue(type, part);
    return { from: value, to: value };
  }
  const mask = prefixMask(prefix.address.length, prefix.bits);
  return {
    from: prefix.address.map((byte, i) => byte & (mask[i] as number)),
    to: prefix.address.map((byte, i) => byte | (~(mask[i] as number) & 0xff)),
  };
}

/** The address and length of a prefix such as `10.0.0.0/8`; undefined for another kind of value. */
export function parsePrefix(type: NftType, value: NftValue): { address: Uint8Array; bits: number } | undefined {
  const slash = typeof value === "string" && DATA_TYPES[type].text === "ip" ? value.indexOf("/") : -1;
  if (typeof value !== "string" || slash < 0) return undefined;
  const address = encodeValue(type, value.slice(0, slash));
  const length = value.slice(slash + 1);
  const bits = Number(length);
  if (!/^[0-9]{1,3}$/.test(length) || bits > 8 * address.length) throw notA(type, value);
  return { address, bits };
}

/** Bytes of which the first `bits` bits are one. */
export function prefixMask(size: number, bits: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))) & 0xff);
}

/** The number of leading one bits of a mask that has no others; undefined for other masks. */
export function maskBits(mask: Uint8Array): number | undefined {
  let bits = 0;
  while (bits < 8 * mask.length && ((mask[bits >> 3] as number) & (0x80 >> (bits & 7))) !== 0) bits++;
  return equalBytes(mask, prefixMask(mask.length, bits)) ? bits : undefined;
}

/** What {@link encodeEnds} would take for these ends: one value, a prefix where that is all of them, else a range. */
export function decodeEnds(type: NftType, from: Uint8Array, to: Uint8Array): NftValue | NftRange {
  if (equalBytes(from, to)) return decodeValue(type, from);
  const range = { from: decodeValue(type, from), to: decodeValue(type, to) };
  if (DATA_TYPES[type].text !== "ip") return range;
  const bits = maskBits(from.map((byte, i) => ~(byte ^ (to[i] as number)) & 0xff));
  if (bits === undefined) return range;
  const mask = prefixMask(from.length, bits);
  const whole = from.every((byte, i) => (byte & ~(mask[i] as number)) === 0);
  return whole ? `${range.from}/${bits}` : range;
}

/** The ends of a whole key or value, its parts padded as registers hold them. */
export function encodeTuple(types: readonly NftType[], tuple: NftTuple): { from: Uint8Array; to: Uint8Array } {
  if (types.length !== tuple.length) {
    throw new TypeError(
      `${JSON.stringify(tuple)} has ${tuple.length} parts where ${types.join(" . ")} has ${types.length}`,
    );
  }
  const [only] = types;
  const [part] = tuple;
  if (types.length === 1 && only !== undefined && part !== undefined) return encodeEnds(only, part);
  const from = new Uint8Array(tupleSize(types));
  const to = new Uint8Array(from.length);
  let at = 0;
  for (const [i, type] of types.entries()) {
    const ends = encodeEnds(type, tuple[i] as NftValue | NftRange);
    from.set(ends.from, at);
    to.set(ends.to, at);
    at += paddedSize(type);
  }
  return { from, to };
}

/** The parts of a key or value; bytes that are missing count as zero. */
export function decodeTuple(types: readonly NftType[], from: Uint8Array, to: Uint8Array = from): NftTuple {
  let at = 0;
  return types.map((type) => {
    const { size } = DATA_TYPES[type];
    const part = decodeEnds(type, slice(from, at, size), slice(to, at, size));
    at += paddedSize(type);
    return part;
  });
}

/** Bytes of a fixed number, filled up with zeros where the source ends. */
function slice(bytes: Uint8Array, at: number, size: number): Uint8Array {
  const part = new Uint8Array(size);
  part.set(bytes.subarray(at, at + size));
  return part;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
