/**
 * The filter that matches words of 32 bits in packets. A kernel has it nearly always, where newer filters may be missing.
 * @see linux/pkt_cls.h struct tc_u32_sel, TCA_U32_UNSPEC and below, tc-u32(8)
 */

import { DecodeError } from "../../../../core/errors.ts";
import { attributes, type WithUnknown } from "../../attributes.ts";
import { be16, be32, i32, struct, u8, u16, u32, wire } from "../../wire.ts";
import { type Action, actions } from "./action.ts";

/** What matches needs no look at further filters. @see linux/pkt_cls.h */
export const TC_U32_TERMINAL = 1;

export interface U32Key {
  mask: number;
  value: number;
  /** In bytes from where the network layer begins. */
  offset: number;
  offsetMask: number;
}

export interface U32Header {
  flags: number;
  offsetShift: number;
  offsetMask: number;
  offset: number;
  offsetOffset: number;
  hashOffset: number;
  hashMask: number;
}

export interface U32Selector extends U32Header {
  /** What must all match. */
  keys: readonly U32Key[];
}

export interface U32Data extends WithUnknown {
  classId?: number;
  hash?: number;
  divisor?: number;
  selector?: U32Selector;
  actions?: readonly Action[];
  flags?: number;
}

export const u32Header = struct<U32Header & { count: number }>(16, {
  flags: [0, u8],
  offsetShift: [1, u8],
  count: [2, u8],
  offsetMask: [4, be16],
  offset: [6, u16],
  offsetOffset: [8, u16],
  hashOffset: [10, u16],
  hashMask: [12, be32],
});

export const u32Key = struct<U32Key>(16, {
  mask: [0, be32],
  value: [4, be32],
  offset: [8, i32],
  offsetMask: [12, i32],
});

export const u32Selector = wire<U32Selector>(
  (out, { keys, ...header }) => {
    u32Header.write(out, { ...header, count: keys.length });
    for (const key of keys) u32Key.write(out, key);
  },
  (input, at, end) => {
    const { count, ...header } = u32Header.readAt(input, at, end);
    const first = at + u32Header.size;
    if (end - first < count * u32Key.size) {
      throw new DecodeError(`Truncated: ${end - first} bytes where ${count} keys should be`);
    }
    const keys = Array.from({ length: count }, (_, i) => u32Key.readAt(input, first + i * u32Key.size, end));
    return { ...header, keys };
  },
);

export const u32Data = attributes<U32Data>({
  classId: [1, u32],
  hash: [2, u32],
  divisor: [4, u32],
  selector: [5, u32Selector],
  actions: [7, actions],
  flags: [11, u32],
});

/** Matches all packets. */
export const EVERYTHING: U32Selector = {
  flags: TC_U32_TERMINAL,
  offsetShift: 0,
  offsetMask: 0,
  offset: 0,
  offsetOffset: 0,
  hashOffset: 0,
  hashMask: 0,
  keys: [{ mask: 0, value: 0, offset: 0, offsetMask: 0 }],
};
