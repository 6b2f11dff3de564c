/** What holds for every format of messages: values come back, damage is noticed. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DecodeError } from "../../../core/errors.ts";
import { formatIpBytes } from "../../../core/ip.ts";
import { encode, type Wire } from "../wire.ts";

/** A format by its name, and the values that it has. */
export type Format = readonly [name: string, wire: Wire<unknown>, values: fc.Arbitrary<unknown>];

const u8 = fc.nat(0xff);
export const ipText = fc
  .constantFrom(4, 16)
  .chain((size) => fc.uint8Array({ minLength: size, maxLength: size }))
  .map(formatIpBytes);

/** Numbers beyond those that the kernel has today. */
const unknown = fc.array(
  fc.record({ type: fc.integer({ min: 200, max: 0x3fff }), payload: fc.uint8Array({ maxLength: 12 }) }),
  { minLength: 1, maxLength: 3 },
);

/** Always these fields, and any of those. */
export function fields(always: Record<string, fc.Arbitrary<unknown>>, some: Record<string, fc.Arbitrary<unknown>>) {
  return fc
    .tuple(fc.record(always), fc.record({ ...some, unknown }, { requiredKeys: [] }))
    .map(([header, rest]) => ({ ...header, ...rest }));
}

/** A value with each byte array, and each unknown attribute, as plain text. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if ("payload" in value && "type" in value) return { type: value.type, payload: plain(value.payload) };
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]));
}

export function testFormats(formats: readonly Format[]): void {
  describe.each(formats)("%s", (_, wire, values) => {
    test("comes back for any value, with the attributes that the table does not know", () => {
      fc.assert(
        fc.property(values, (value) => {
          const written = encode(wire, value);
          const read = wire.read(written);
          expect(plain(read)).toEqual(plain(value));
          expect(encode(wire, read)).toEqual(written);
        }),
        { numRuns: 500 },
      );
    });

    test("cut anywhere or with bytes changed is read or refused with DecodeError", () => {
      const damage = fc.array(fc.record({ at: fc.nat(), byte: u8 }), { maxLength: 4 });
      fc.assert(
        fc.property(values, fc.nat(), damage, (value, cut, changes) => {
          const written = encode(wire, value);
          const damaged = written.slice(0, cut % (written.length + 1));
          for (const { at, byte } of changes) if (damaged.length > 0) damaged[at % damaged.length] = byte;
          try {
            wire.read(damaged);
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
        }),
        { numRuns: 1_000 },
      );
    });

    test("is read from any bytes or refused with DecodeError", () => {
      const attributeLike = fc.array(
        fc.record({ length: fc.nat(24), type: fc.nat(60), payload: fc.uint8Array({ maxLength: 20 }) }),
        { maxLength: 8 },
      );
      const input = fc.oneof(
        fc.uint8Array({ maxLength: 100 }),
        attributeLike.map((list) =>
          Uint8Array.from([
            ...new Uint8Array(12),
            ...list.flatMap(({ length, type, payload }) => [length, 0, type, 0, ...payload]),
          ]),
        ),
      );
      fc.assert(
        fc.property(input, (bytes) => {
          try {
            wire.read(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
        }),
        { numRuns: 500 },
      );
    });
  });
}
