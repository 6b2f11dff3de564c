/**
 * Netlink attributes as tables: a value's fields, each with the number and the format of its attribute.
 *
 * The compiler checks that a table misses no field of its value. Attributes that a table does not know are kept under
 * `unknown` and written again, so reading, changing and writing loses nothing that a newer kernel added.
 * @see netlink(7), linux/netlink.h struct nlattr
 */

import { DecodeError } from "../../core/errors.ts";
import {
  bytes,
  bytesIn,
  type FixedWire,
  type PlacedWire,
  readIn,
  viewOf,
  type Wire,
  type Writer,
  wire,
} from "./wire.ts";

/** Bit 15 of the type: the payload is attributes. @see linux/netlink.h NLA_F_NESTED */
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const NLA_HEADER = 4;
/** An attribute's length is a number of 16 bits. */
const NLA_MAX_LENGTH = 0xffff;

/** An attribute that the table does not know, its payload as it came. `type` keeps the flag bits. */
export interface UnknownAttribute {
  readonly type: number;
  readonly payload: Uint8Array;
}

export interface WithUnknown {
  unknown?: UnknownAttribute[];
}

type Known<T> = Exclude<keyof T, "unknown">;

/** For each field of T the attribute's number and format. */
export type AttributeTable<T> = { readonly [K in Known<T>]-?: readonly [type: number, wire: Wire<NonNullable<T[K]>>] };

/** The format of a run of attributes; fields that are undefined are left out. Bytes must not change once read. */
export function attributes<T extends WithUnknown>(table: AttributeTable<T>): PlacedWire<T> {
  const names = Object.keys(table) as (Known<T> & string)[];
  let byType: Map<number, Known<T> & string> | undefined;
  const namesByType = () => {
    const found = new Map<number, Known<T> & string>();
    for (const name of names) found.set(table[name][0], name);
    return found;
  };
  return wire<T>(
    (out, value) => {
      for (const name of names) {
        const field = value[name];
        if (field === undefined || field === null) continue;
        const [type, format] = table[name];
        writeAttribute(out, isNested(format) ? type | NLA_F_NESTED : type, format, field);
      }
      if (value.unknown !== undefined) for (const { type, payload } of value.unknown) writeRaw(out, type, payload);
    },
    (input, at, end) => {
      byType ??= namesByType();
      const value: Record<string, unknown> = {};
      let unknown: UnknownAttribute[] | undefined;
      // All in one loop: what is called some thirty times is compiled, and that costs a short process more than it gains.
      for (let next = at; next < end; ) {
        const length = end - next < NLA_HEADER ? 0 : input.getUint16(next, true);
        if (length < NLA_HEADER || length > end - next) throw truncated(next - at, length, end - next);
        const type = input.getUint16(next + 2, true);
        const name = byType.get(type & NLA_TYPE_MASK);
        if (name !== undefined) {
          const format: Wire<unknown> = table[name][1];
          value[name] = readIn(format, input, next + NLA_HEADER, next + length);
        } else {
          const payload = new Uint8Array(input.buffer, input.byteOffset + next + NLA_HEADER, length - NLA_HEADER);
          unknown ??= [];
          unknown.push({ type, payload });
        }
        next += (length + 3) & ~3;
      }
      if (unknown !== undefined) value.unknown = unknown;
      return value as T;
    },
  );
}

function truncated(at: number, length: number, rest: number): DecodeError {
  return new DecodeError(`Truncated attribute at byte ${at}: length ${length} of ${rest} left`);
}

/** Marks that an attribute's type says, by NLA_F_NESTED, that its payload is attributes; newer formats insist on it. */
export function nested<T>(format: Wire<T>): Wire<T> {
  return { ...format, nested: true } as Wire<T>;
}

function isNested(format: object): boolean {
  return "nested" in format;
}

/** A list as attributes of one type, one for each item. */
export function listOf<T>(itemType: number, item: Wire<T>): PlacedWire<readonly T[]> {
  const type = isNested(item) ? itemType | NLA_F_NESTED : itemType;
  return wire<readonly T[]>(
    (out, items) => {
      for (const value of items) writeAttribute(out, type, item, value);
    },
    (input, at, end) => readAttributes(bytesIn(input, at, end)).map(({ payload }) => item.read(payload)),
  );
}

/** A list as attributes numbered from 1, in order. */
export function numberedList<T>(item: Wire<T>): PlacedWire<readonly T[]> {
  const flags = isNested(item) ? NLA_F_NESTED : 0;
  return wire<readonly T[]>(
    (out, items) => {
      for (const [i, value] of items.entries()) writeAttribute(out, (i + 1) | flags, item, value);
    },
    (input, at, end) => readAttributes(bytesIn(input, at, end)).map(({ payload }) => item.read(payload)),
  );
}

/** A message's fixed header, then its attributes. */
export function message<H extends object, A extends WithUnknown>(
  header: FixedWire<H>,
  body: PlacedWire<A>,
): PlacedWire<H & A> {
  return wire<H & A>(
    (out, value) => {
      header.write(out, value);
      out.align(4);
      body.write(out, value);
    },
    (input, at, end) => {
      const value = header.readAt(input, at, end);
      return Object.assign(value, body.readAt(input, at + ((header.size + 3) & ~3), end));
    },
  );
}

function writeAttribute<T>(out: Writer, type: number, format: Wire<T>, value: T): void {
  const start = out.reserve(NLA_HEADER);
  format.write(out, value);
  const length = out.length - start;
  if (length > NLA_MAX_LENGTH) throw new RangeError(`Netlink attribute ${type} of ${length} bytes is too long`);
  const view = out.view;
  view.setUint16(start, length, true);
  view.setUint16(start + 2, type, true);
  out.align(4);
}

function writeRaw(out: Writer, type: number, payload: Uint8Array): void {
  writeAttribute(out, type, bytes, payload);
}

/** The attributes in these bytes, payloads not copied. Throws DecodeError when one claims more than there is. */
export function readAttributes(input: Uint8Array): UnknownAttribute[] {
  const view = viewOf(input);
  const found: UnknownAttribute[] = [];
  for (let at = 0; at < input.length; ) {
    const rest = input.length - at;
    const length = rest < NLA_HEADER ? 0 : view.getUint16(at, true);
    if (length < NLA_HEADER || length > rest) throw truncated(at, length, rest);
    found.push({ type: view.getUint16(at + 2, true), payload: input.subarray(at + NLA_HEADER, at + length) });
    at += (length + 3) & ~3;
  }
  return found;
}
