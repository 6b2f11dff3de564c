/**
 * How a value lies in a netlink message: the pieces from which the tables of message and attribute formats are made.
 *
 * A {@link Wire} writes a value and reads it back. Integers are in host byte order, which is little-endian on every
 * machine that the runtime exists for; `be16` and `be32` are in network order.
 */

import { DecodeError } from "../../core/errors.ts";
import { formatIpBytes, parseIpBytes } from "../../core/ip.ts";
import { formatMac, parseLinkAddress } from "../../core/mac.ts";

export interface Wire<T> {
  write(out: Writer, value: T): void;
  /** Reads from exactly these bytes. Throws DecodeError when they are too few or malformed. */
  read(bytes: Uint8Array): T;
  /**
   * Reads from the bytes `at` to `end` without making a view of them: what most formats offer, because a process that
   * lives for some milliseconds spends more on small views than on all else.
   */
  readAt?(input: DataView, at: number, end: number): T;
}

/** A wire that reads in place. */
export interface PlacedWire<T> extends Wire<T> {
  readAt(input: DataView, at: number, end: number): T;
}

/** A wire whose values all have one size, in bytes. */
export interface FixedWire<T> extends PlacedWire<T> {
  readonly size: number;
  /** Writes a value over bytes that are there already. */
  put(view: DataView, position: number, value: T): void;
}

/** A wire from how it writes and how it reads in place. */
export function wire<T>(write: Wire<T>["write"], readAt: PlacedWire<T>["readAt"]): PlacedWire<T> {
  return { write, readAt, read: (bytes) => readAt(viewOf(bytes), 0, bytes.length) };
}

/** Reads the bytes `at` to `end` by any wire. */
export function readIn<T>(format: Wire<T>, input: DataView, at: number, end: number): T {
  return format.readAt === undefined ? format.read(bytesIn(input, at, end)) : format.readAt(input, at, end);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The bytes `at` to `end`, shared with the view. */
export function bytesIn(input: DataView, at: number, end: number): Uint8Array {
  return new Uint8Array(input.buffer, input.byteOffset + at, end - at);
}

/** Bytes that grow as they are written. */
export class Writer {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Makes room for `size` bytes, all zero, and returns the position of the first. */
  reserve(size: number): number {
    const position = this.#length;
    const needed = position + size;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return position;
  }

  /** Zero bytes up to the next multiple of `alignment`. */
  align(alignment: number): void {
    const over = this.#length % alignment;
    if (over !== 0) this.reserve(alignment - over);
  }

  /** The view for writing at reserved positions; it changes when more is reserved. */
  get view(): DataView {
    return this.#view;
  }

  append(bytes: Uint8Array): void {
    const position = this.reserve(bytes.length);
    this.#bytes.set(bytes, position);
  }

  /** Takes back what was written from `length` on. */
  truncate(length: number): void {
    this.#bytes.fill(0, length, this.#length);
    this.#length = length;
  }

  /** What has been written, shared with this writer. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets what has been written and keeps the memory. */
  clear(): void {
    this.truncate(0);
  }
}

/** The bytes of one value. */
export function encode<T>(format: Wire<T>, value: T): Uint8Array {
  const out = new Writer();
  format.write(out, value);
  return out.written().slice();
}

function fixed<T>(size: number, put: FixedWire<T>["put"], get: (input: DataView, at: number) => T): FixedWire<T> {
  const write = (out: Writer, value: T) => {
    const position = out.reserve(size);
    put(out.view, position, value);
  };
  const readAt = (input: DataView, at: number, end: number) => {
    if (end - at < size) throw new DecodeError(`Truncated: ${end - at} bytes where ${size} should be`);
    return get(input, at);
  };
  return { size, put, ...wire(write, readAt) };
}

export const u8 = fixed<number>(
  1,
  (view, at, value) => view.setUint8(at, value),
  (view, at) => view.getUint8(at),
);
export const u16 = fixed<number>(
  2,
  (view, at, value) => view.setUint16(at, value, true),
  (view, at) => view.getUint16(at, true),
);
export const u32 = fixed<number>(
  4,
  (view, at, value) => view.setUint32(at, value, true),
  (view, at) => view.getUint32(at, true),
);
export const i32 = fixed<number>(
  4,
  (view, at, value) => view.setInt32(at, value, true),
  (view, at) => view.getInt32(at, true),
);
export const u64 = fixed<bigint>(
  8,
  (view, at, value) => view.setBigUint64(at, value, true),
  (view, at) => view.getBigUint64(at, true),
);
export const be16 = fixed<number>(
  2,
  (view, at, value) => view.setUint16(at, value),
  (view, at) => view.getUint16(at),
);
export const be32 = fixed<number>(
  4,
  (view, at, value) => view.setUint32(at, value),
  (view, at) => view.getUint32(at),
);
export const be64 = fixed<bigint>(
  8,
  (view, at, value) => view.setBigUint64(at, value),
  (view, at) => view.getBigUint64(at),
);

/** A byte that is 0 or 1. */
export const bool8 = fixed<boolean>(
  1,
  (view, at, value) => view.setUint8(at, value ? 1 : 0),
  (view, at) => view.getUint8(at) !== 0,
);

/** Bytes as they are. */
export const bytes = wire<Uint8Array>(
  (out, value) => out.append(value),
  (input, at, end) => bytesIn(input, at, end).slice(),
);

/** An attribute that says yes by being there, with no payload. */
export const flag = wire<true>(
  () => {},
  () => true,
);

/** Text with a final zero; what follows the zero is ignored. */
export const string = wire<string>(
  (out, value) => {
    appendText(out, value);
    out.reserve(1);
  },
  (input, at, end) => {
    let text = "";
    for (let i = at; i < end; i++) {
      const unit = input.getUint8(i);
      if (unit === 0) break;
      // Names are ASCII nearly always, for which a loop is cheaper than a decoder.
      if (unit > 0x7f) return decodeUtf8(input, at, end);
      text += String.fromCharCode(unit);
    }
    return text;
  },
);

function appendText(out: Writer, text: string): void {
  const at = out.reserve(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) {
      out.truncate(at);
      out.append(new TextEncoder().encode(text));
      return;
    }
    out.view.setUint8(at + i, unit);
  }
}

function decodeUtf8(input: DataView, at: number, end: number): string {
  const found = bytesIn(input, at, end);
  const zero = found.indexOf(0);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(zero < 0 ? found : found.subarray(0, zero));
}

/** An IPv4 or IPv6 address, as text outside. */
export const ipAddress = wire<string>(
  (out, value) => {
    const address = parseIpBytes(value);
    if (address === undefined) throw new TypeError(`"${value}" is not an IP address`);
    out.append(address);
  },
  (input, at, end) => {
    if (end - at !== 4 && end - at !== 16) {
      throw new DecodeError(`An IP address has 4 or 16 bytes, not ${end - at}`);
    }
    return formatIpBytes(bytesIn(input, at, end));
  },
);

/** A link-layer address, as text outside; of six bytes for Ethernet, of other lengths for tunnels. */
export const macAddress = wire<string>(
  (out, value) => {
    const address = parseLinkAddress(value);
    if (address === undefined) throw new TypeError(`"${value}" is not a link-layer address`);
    out.append(address);
  },
  (input, at, end) => formatMac(bytesIn(input, at, end)),
);

/** A C structure: each member with its offset from the start. Bytes between members are zero. */
export function struct<T extends object>(
  size: number,
  members: { readonly [K in keyof T]-?: readonly [offset: number, wire: FixedWire<T[K]>] },
): FixedWire<T> {
  const entries = Object.entries(members) as [keyof T & string, readonly [number, FixedWire<unknown>]][];
  return fixed<T>(
    size,
    (view, position, value) => {
      for (const [name, [offset, member]] of entries) member.put(view, position + offset, value[name]);
    },
    (input, at) => {
      const value: Record<string, unknown> = {};
      for (const [name, [offset, member]] of entries) {
        value[name] = member.readAt(input, at + offset, at + offset + member.size);
      }
      return value as T;
    },
  );
}
