import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DecodeError } from "../../core/errors.ts";
import { attributes, listOf, message, nested, readAttributes, type WithUnknown } from "./attributes.ts";
import { bytes, encode, flag, string, struct, u8, u16, u32 } from "./wire.ts";

interface Inner extends WithUnknown {
  mtu?: number;
}

interface Outer extends WithUnknown {
  name?: string;
  index?: number;
  small?: number;
  inner?: Inner;
  marked?: Inner;
  here?: true;
}

const inner = attributes<Inner>({ mtu: [2, u32] });
const outer = attributes<Outer>({
  name: [3, string],
  index: [1, u32],
  small: [9, u16],
  inner: [4, inner],
  marked: [5, nested(inner)],
  here: [6, flag],
});

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString("hex");
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

describe("attributes", () => {
  test("lie one after the other, each with length and type, filled up to four bytes", () => {
    expect(hex(encode(outer, { index: 7, name: "eth0", small: 1 }))).toBe(
      ["09000300 6574683000 000000", "08000100 07000000", "06000900 0100 0000"].join("").replaceAll(" ", ""),
    );
  });

  test("of attributes have the flag NLA_F_NESTED only where the format says so", () => {
    expect(hex(encode(outer, { inner: { mtu: 1 }, marked: { mtu: 2 }, here: true }))).toBe(
      ["0c000400 08000200 01000000", "0c000580 08000200 02000000", "04000600"].join("").replaceAll(" ", ""),
    );
  });

  test("are read with and without the flags of their type, in any order, the last of equals", () => {
    expect(
      outer.read(fromHex("0c000480 08000200 01000000 06000940 0200 0000 08000100 01000000 08000140 05000000")),
    ).toEqual({
      inner: { mtu: 1 },
      index: 5,
      small: 2,
    });
  });

  test("that are undefined are left out", () => {
    expect(encode(outer, { name: undefined, index: undefined } as unknown as Outer)).toHaveLength(0);
  });

  test("that the table does not know come out again after read, change and write, also inner ones", () => {
    const input = fromHex("08000100 07000000 0500ff7f aa000000 10000400 08000200 01000000 04006300 04001180");
    const value = outer.read(input);
    expect(value.unknown?.map(({ type, payload }) => [type, hex(payload)])).toEqual([
      [0x7fff, "aa"],
      [0x8011, ""],
    ]);
    value.index = 8;
    if (value.inner !== undefined) value.inner.mtu = 2;
    expect(hex(encode(outer, value))).toBe(
      ["08000100 08000000", "10000400 08000200 02000000 04006300", "0500ff7f aa000000", "04001180"]
        .join("")
        .replaceAll(" ", ""),
    );
  });

  test("longer than their length can say are refused, not cut", () => {
    const raw = attributes<{ data?: Uint8Array } & WithUnknown>({ data: [1, bytes] });
    expect(encode(raw, { data: new Uint8Array(65531) })).toHaveLength(65536);
    expect(() => encode(raw, { data: new Uint8Array(65532) })).toThrow(RangeError);
  });

  test("that claim more than there is are refused", () => {
    for (const text of ["00", "0400", "040001", "03000100", "00000100", "09000100 00000000", "08000100 000000"]) {
      expect(() => outer.read(fromHex(text))).toThrow(DecodeError);
      expect(() => readAttributes(fromHex(text))).toThrow(DecodeError);
    }
  });

  test("may lack the filling at the end", () => {
    expect(readAttributes(fromHex("05000100 aa")).map(({ payload }) => hex(payload))).toEqual(["aa"]);
    expect(outer.read(fromHex("06000900 0700"))).toEqual({ small: 7 });
  });

  test("in any number and nesting come back", () => {
    const optional = { requiredKeys: [] };
    const innerValue = fc.record({ mtu: fc.nat(0xffffffff) }, optional) as fc.Arbitrary<Inner>;
    const outerValue = fc.record(
      {
        name: fc.string({ unit: "grapheme-ascii", maxLength: 40 }),
        index: fc.nat(0xffffffff),
        small: fc.nat(0xffff),
        inner: innerValue,
        marked: innerValue,
        here: fc.constant(true as const),
      },
      optional,
    ) as fc.Arbitrary<Outer>;
    const unknown = fc.array(
      // Numbers that the tables above do not have, with the flags of the type.
      fc.record({
        type: fc.nat(0xffff).filter((type) => (type & 0x3fff) > 9),
        payload: fc.uint8Array({ maxLength: 9 }),
      }),
    );
    fc.assert(
      fc.property(outerValue, unknown, unknown, (value, some, others) => {
        const full = { ...value, unknown: some, ...(value.inner && { inner: { ...value.inner, unknown: others } }) };
        const written = encode(outer, full);
        const read = outer.read(written);
        expect(read.unknown?.map(({ type, payload }) => ({ type, payload })) ?? []).toEqual(some);
        expect({ ...read, inner: undefined, unknown: undefined }).toEqual({
          ...value,
          inner: undefined,
          unknown: undefined,
        });
        expect(hex(encode(outer, read))).toBe(hex(written));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("listOf", () => {
  const list = listOf(1, nested(inner));

  test("has one attribute for each item", () => {
    const written = encode(list, [{ mtu: 1 }, {}, { mtu: 2 }]);
    expect(hex(written)).toBe("0c00018008000200010000000400018" + "00c0001800800020002000000");
    expect(list.read(written)).toEqual([{ mtu: 1 }, {}, { mtu: 2 }]);
    expect(list.read(new Uint8Array())).toEqual([]);
    expect(() => list.read(written.subarray(0, -1))).toThrow(DecodeError);
  });
});

describe("message", () => {
  const format = message(struct<{ family: number }>(6, { family: [0, u8] }), inner);

  test("starts its attributes at a multiple of four", () => {
    const written = encode(format, { family: 2, mtu: 3 });
    expect(hex(written)).toBe("0200000000000000" + "0800020003000000");
    expect(format.read(written)).toEqual({ family: 2, mtu: 3 });
  });

  test("may end with its header, and before that it is refused", () => {
    expect(format.read(fromHex("0a00000000000000"))).toEqual({ family: 10 });
    expect(format.read(fromHex("0a0000000000"))).toEqual({ family: 10 });
    expect(() => format.read(fromHex("0a00000000"))).toThrow(DecodeError);
  });
});
