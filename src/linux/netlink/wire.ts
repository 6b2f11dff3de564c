/**
 * How a value lies in a netlink message: the pieces from which the tables of message and attribute formats are made.
 *
 * A {@link Wire} writes a value and reads it back. Integers are in host byte order, which is little-endian on every
 * machine that the runtime exists for; `be16` and `be32` are in network order.
 */

import { DecodeError } from "../../core/errors.ts";
import { formatIpBytes, ipToBytes, parseIp } from "../../core/ip.ts";
import { formatMac, parseMac } from "../../core/mac.ts";

export interface Wire<T> {
  write(out: Writer, value: T): void;
  /** Reads from exactly these bytes. Throws DecodeError when they are too few or malformed. */
  read(bytes: Uint8Array): T;
}

/** A wire whose values all have one size, in bytes. */
export interface FixedWire<T> extends Wire<T> {
  readonly size: number;
  /** Writes a value over bytes that are there already. */
  put(view: DataView, position: number, value: T): void;
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

  /** What has been written, shared with this writer. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets what has been written and keeps the memory. */
  clear(): void {
    this.#bytes.fill(0, 0, this.#length);
    this.#length = 0;
  }
}

/** The bytes of one value. */
export function encode<T>(wire: Wire<T>, value: T): Uint8Array {
  const out = new Writer();
  wire.write(out, value);
  return out.written().slice();
}

function fixed<T>(size: number, put: FixedWire<T>["put"], get: (bytes: Uint8Array) => T): FixedWire<T> {
  return {
    size,
    put,
    write(out, value) {
      const position = out.reserve(size);
      put(out.view, position, value);
    },
    read(bytes) {
      if (bytes.length < size) throw new DecodeError(`Truncated: ${bytes.length} bytes where ${size} should be`);
      return get(bytes);
    },
  };
}

function scalar<T>(size: number, put: FixedWire<T>["put"], get: (view: DataView) => T): FixedWire<T> {
  return fixed(size, put, (bytes) => get(new DataView(bytes.buffer, bytes.byteOffset, bytes.length)));
}

export const u8 = scalar<number>(
  1,
  (view, at, value) => view.setUint8(at, value),
  (view) => view.getUint8(0),
);
export const u16 = scalar<number>(
  2,
  (view, at, value) => view.setUint16(at, value, true),
  (view) => view.getUint16(0, true),
);
export const u32 = scalar<number>(
  4,
  (view, at, value) => view.setUint32(at, value, true),
  (view) => view.getUint32(0, true),
);
export const i32 = scalar<number>(
  4,
  (view, at, value) => view.setInt32(at, value, true),
  (view) => view.getInt32(0, true),
);
export const u64 = scalar<bigint>(
  8,
  (view, at, value) => view.setBigUint64(at, value, true),
  (view) => view.getBigUint64(0, true),
);
export const be16 = scalar<number>(
  2,
  (view, at, value) => view.setUint16(at, value),
  (view) => view.getUint16(0),
);
export const be32 = scalar<number>(
  4,
  (view, at, value) => view.setUint32(at, value),
  (view) => view.getUint32(0),
);
export const be64 = scalar<bigint>(
  8,
  (view, at, value) => view.setBigUint64(at, value),
  (view) => view.getBigUint64(0),
);

/** A byte that is 0 or 1. */
export const bool8 = scalar<boolean>(
  1,
  (view, at, value) => view.setUint8(at, value ? 1 : 0),
  (view) => view.getUint8(0) !== 0,
);

/** Bytes as they are. */
export const bytes: Wire<Uint8Array> = {
  write: (out, value) => out.append(value),
  read: (value) => value.slice(),
};

/** An attribute that says yes by being there, with no payload. */
export const flag: Wire<true> = {
  write() {},
  read: () => true,
};

/** Text with a final zero; what follows the zero is ignored. */
export const string: Wire<string> = {
  write: (out, value) => {
    out.append(new TextEncoder().encode(value));
    out.reserve(1);
  },
  read: (value) => {
    const end = value.indexOf(0);
    return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
  },
};

/** An IPv4 or IPv6 address, as text outside. */
export const ipAddress: Wire<string> = {
  write: (out, value) => {
    const ip = parseIp(value);
    if (ip === undefined) throw new TypeError(`"${value}" is not an IP address`);
    out.append(ipToBytes(ip));
  },
  read: (value) => {
    if (value.length !== 4 && value.length !== 16) {
      throw new DecodeError(`An IP address has 4 or 16 bytes, not ${value.length}`);
    }
    return formatIpBytes(value);
  },
};

/** A link-layer address, as text outside; of six bytes for Ethernet, of other lengths for tunnels. */
export const macAddress: Wire<string> = {
  write: (out, value) => {
    const mac = parseMac(value);
    if (mac === undefined) throw new TypeError(`"${value}" is not a MAC address`);
    out.append(mac);
  },
  read: (value) => formatMac(value),
};

/** A C structure: each member with its offset from the start. Bytes between members are zero. */
export function struct<T extends object>(
  size: number,
  members: { readonly [K in keyof T]-?: readonly [offset: number, wire: FixedWire<T[K]>] },
): FixedWire<T> {
  const entries = Object.entries(members) as [keyof T & string, readonly [number, FixedWire<unknown>]][];
  return fixed<T>(
    size,
    (view, position, value) => {
      for (const [name, [offset, wire]] of entries) wire.put(view, position + offset, value[name]);
    },
    (input) => {
      const value: Record<string, unknown> = {};
      for (const [name, [offset, wire]] of entries) value[name] = wire.read(input.subarray(offset, offset + wire.size));
      return value as T;
    },
  );
}
