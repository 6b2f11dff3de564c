/**
 * Netlink attributes as tables: a value's fields, each with the number and the format of its attribute.
 *
 * The compiler checks that a table misses no field of its value. Attributes that a table does not know are kept under
 * `unknown` and written again, so reading, changing and writing loses nothing that a newer kernel added.
 * @see netlink(7), linux/netlink.h struct nlattr
 */

import { DecodeError } from "../../core/errors.ts";
import type { FixedWire, Wire, Writer } from "./wire.ts";

/** Bit 15 of the type: the payload is attributes. @see linux/netlink.h NLA_F_NESTED */
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const NLA_HEADER = 4;

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

/** The format of a run of attributes; fields that are undefined are left out. */
export function attributes<T extends WithUnknown>(table: AttributeTable<T>): Wire<T> {
  const fields = Object.entries(table) as [Known<T> & string, readonly [number, Wire<unknown>]][];
  let byType: Map<number, readonly [string, Wire<unknown>]> | undefined;
  return {
    write(out, value) {
      for (const [name, [type, wire]] of fields) {
        const field = value[name];
        if (field !== undefined) writeAttribute(out, isNested(wire) ? type | NLA_F_NESTED : type, wire, field);
      }
      for (const { type, payload } of value.unknown ?? []) writeRaw(out, type, payload);
    },
    read(bytes) {
      byType ??= new Map(fields.map(([name, [type, wire]]) => [type, [name, wire]]));
      const value: Record<string, unknown> = {};
      const unknown: UnknownAttribute[] = [];
      for (const { type, payload } of readAttributes(bytes)) {
        const known = byType.get(type & NLA_TYPE_MASK);
        if (known === undefined) unknown.push({ type, payload: payload.slice() });
        else value[known[0]] = known[1].read(payload);
      }
      if (unknown.length > 0) value.unknown = unknown;
      return value as T;
    },
  };
}

/** Marks that an attribute's type says, by NLA_F_NESTED, that its payload is attributes; newer formats insist on it. */
export function nested<T>(wire: Wire<T>): Wire<T> {
  return Object.assign({ write: wire.write, read: wire.read }, { nested: true });
}

function isNested(wire: Wire<unknown>): boolean {
  return "nested" in wire;
}

/** A list as attributes of one type, one for each item. */
export function listOf<T>(itemType: number, item: Wire<T>): Wire<readonly T[]> {
  const type = isNested(item) ? itemType | NLA_F_NESTED : itemType;
  return {
    write(out, items) {
      for (const value of items) writeAttribute(out, type, item, value);
    },
    read: (bytes) => readAttributes(bytes).map(({ payload }) => item.read(payload)),
  };
}

/** A message's fixed header, then its attributes. */
export function message<H extends object, A extends WithUnknown>(header: FixedWire<H>, body: Wire<A>): Wire<H & A> {
  return {
    write(out, value) {
      header.write(out, value);
      out.align(4);
      body.write(out, value);
    },
    read: (bytes) => ({ ...header.read(bytes), ...body.read(bytes.subarray((header.size + 3) & ~3)) }),
  };
}

function writeAttribute<T>(out: Writer, type: number, wire: Wire<T>, value: T): void {
  const start = out.reserve(NLA_HEADER);
  wire.write(out, value);
  out.view.setUint16(start, out.length - start, true);
  out.view.setUint16(start + 2, type, true);
  out.align(4);
}

function writeRaw(out: Writer, type: number, payload: Uint8Array): void {
  writeAttribute(out, type, { write: (o, value: Uint8Array) => o.append(value), read: (bytes) => bytes }, payload);
}

/** The attributes in these bytes, payloads not copied. Throws DecodeError when one claims more than there is. */
export function readAttributes(bytes: Uint8Array): UnknownAttribute[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: UnknownAttribute[] = [];
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.length - at;
    const length = rest < NLA_HEADER ? 0 : view.getUint16(at, true);
    if (length < NLA_HEADER || length > rest) {
      throw new DecodeError(`Truncated attribute at byte ${at}: length ${length} of ${rest} left`);
    }
    found.push({ type: view.getUint16(at + 2, true), payload: bytes.subarray(at + NLA_HEADER, at + length) });
    at += (length + 3) & ~3;
  }
  return found;
}
