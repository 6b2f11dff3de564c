import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DecodeError } from "../../core/errors.ts";
import {
  be16,
  be32,
  be64,
  bool8,
  bytes,
  encode,
  type FixedWire,
  flag,
  i32,
  ipAddress,
  macAddress,
  string,
  struct,
  u8,
  u16,
  u32,
  u64,
  type Wire,
  Writer,
} from "./wire.ts";

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString("hex");
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "hex"));
}

interface Header {
  family: number;
  index: number;
  port: number;
}

const header = struct<Header>(8, { family: [0, u8], index: [4, i32], port: [2, be16] });

const bigint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const fixedWires: readonly (readonly [
  string,
  FixedWire<never>,
  fc.Arbitrary<never>,
  string,
  number | bigint | boolean,
])[] = [
  ["u8", u8, fc.nat(0xff), "fe", 0xfe],
  ["u16", u16, fc.nat(0xffff), "0201", 0x0102],
  ["u32", u32, fc.nat(0xffffffff), "040302ff", 0xff020304],
  ["i32", i32, fc.integer(), "feffffff", -2],
  ["u64", u64, bigint64, "08070605040302ff", 0xff02030405060708n],
  ["be16", be16, fc.nat(0xffff), "0102", 0x0102],
  ["be32", be32, fc.nat(0xffffffff), "ff020304", 0xff020304],
  ["be64", be64, bigint64, "ff02030405060708", 0xff02030405060708n],
  ["bool8", bool8, fc.boolean(), "01", true],
] as const as never;

describe.each(fixedWires)("%s", (_, wire, values, bytesInHex, value) => {
  test("lies in memory as C has it", () => {
    expect(hex(encode(wire, value as never))).toBe(bytesInHex);
    expect(wire.read(fromHex(bytesInHex)) as unknown).toBe(value);
  });

  test("comes back for any value, also when more bytes follow", () => {
    fc.assert(
      fc.property(values, fc.uint8Array({ maxLength: 4 }), (any, more) => {
        const written = encode(wire, any);
        expect(written).toHaveLength(wire.size);
        expect(wire.read(Uint8Array.of(...written, ...more))).toBe(any);
      }),
    );
  });

  test("refuses fewer bytes", () => {
    for (let size = 0; size < wire.size; size++) {
      expect(() => wire.read(new Uint8Array(size))).toThrow(DecodeError);
    }
  });
});

/** A wire of any length, and what it does with a text or with bytes. */
function roundTrip<T>(wire: Wire<T>, values: fc.Arbitrary<T>): void {
  fc.assert(
    fc.property(values, (value) => {
      expect(wire.read(encode(wire, value))).toEqual(value);
    }),
    { numRuns: 500 },
  );
}

describe("string", () => {
  test("ends with a zero byte, and what follows that is ignored", () => {
    expect(hex(encode(string, "eth0"))).toBe("6574683000");
    expect(string.read(fromHex("65746830006162"))).toBe("eth0");
    expect(string.read(fromHex("65746830"))).toBe("eth0");
    expect(string.read(new Uint8Array())).toBe("");
  });

  test("comes back for any text without a zero", () => {
    roundTrip(
      string,
      fc.oneof(
        fc.string({ unit: "binary" }).filter((text) => !text.includes("\0") && text.isWellFormed()),
        // A byte order mark is a character like any other.
        fc.constant("\ufeffeth0"),
      ),
    );
  });
});

describe("ipAddress", () => {
  test("has four or sixteen bytes in network order", () => {
    expect(hex(encode(ipAddress, "10.1.2.3"))).toBe("0a010203");
    expect(hex(encode(ipAddress, "fd00::1"))).toBe("fd000000000000000000000000000001");
    for (const size of [0, 3, 5, 15, 17]) expect(() => ipAddress.read(new Uint8Array(size))).toThrow(DecodeError);
    expect(() => encode(ipAddress, "10.1.2")).toThrow(TypeError);
  });

  test("keeps an IPv4-mapped address in its sixteen bytes, as an IPv6 route to it must have", () => {
    const mapped = fromHex("00000000000000000000ffff0a010203");
    expect(hex(encode(ipAddress, ipAddress.read(mapped)))).toBe(hex(mapped));
  });

  test("comes back for any bytes", () => {
    const addresses = fc.constantFrom(4, 16).chain((size) => fc.uint8Array({ minLength: size, maxLength: size }));
    fc.assert(
      fc.property(addresses, (value) => {
        expect(encode(ipAddress, ipAddress.read(value))).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });
});

describe("macAddress", () => {
  test("has six bytes on Ethernet, and on tunnels those of their address", () => {
    expect(hex(encode(macAddress, "02:00:00:00:00:0A"))).toBe("02000000000a");
    expect(hex(encode(macAddress, "0a:01:02:03"))).toBe("0a010203");
    for (const text of ["0", "02:00:00:00:00:0", "02:00:00:00:00:00:", ":02", "xx"]) {
      expect(() => encode(macAddress, text)).toThrow(TypeError);
    }
  });

  test("comes back for bytes of any length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 32 }), (value) => {
        expect(encode(macAddress, macAddress.read(value))).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });
});

test("bytes come back as they are, in memory of their own", () => {
  roundTrip(bytes, fc.uint8Array());
  const input = Uint8Array.of(1, 2, 3);
  const read = bytes.read(input);
  input[0] = 9;
  expect(read[0]).toBe(1);
});

test("flag has no bytes", () => {
  expect(encode(flag, true)).toHaveLength(0);
  expect(flag.read(new Uint8Array())).toBe(true);
});

describe("struct", () => {
  test("puts each member at its offset and zeros between them", () => {
    const out = new Writer();
    out.append(fromHex("ffffffffffffffffffffffff"));
    out.clear();
    header.write(out, { family: 2, index: -1, port: 0x1234 });
    expect(hex(out.written())).toBe("02001234ffffffff");
  });

  test("comes back for any value and refuses fewer bytes", () => {
    roundTrip(header, fc.record({ family: fc.nat(0xff), index: fc.integer(), port: fc.nat(0xffff) }));
    for (let size = 0; size < header.size; size++) {
      expect(() => header.read(new Uint8Array(size))).toThrow(DecodeError);
    }
  });
});

describe("Writer", () => {
  test("keeps what was written while it grows, is cut and is filled again", () => {
    type Step = { readonly kind: "append" | "cut" | "align" | "reserve" | "clear"; readonly data: Uint8Array };
    const steps: fc.Arbitrary<Step[]> = fc.array(
      fc.record({
        kind: fc.constantFrom("append", "append", "cut", "align", "reserve", "clear"),
        data: fc.uint8Array({ maxLength: 400 }),
      }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const out = new Writer();
        let model: number[] = [];
        for (const { kind, data } of list) {
          if (kind === "append") {
            out.append(data);
            model.push(...data);
          } else if (kind === "reserve") {
            expect(out.reserve(data.length)).toBe(model.length);
            model.push(...new Array<number>(data.length).fill(0));
          } else if (kind === "align") {
            out.align(4);
            while (model.length % 4 !== 0) model.push(0);
          } else if (kind === "cut") {
            model = model.slice(0, Math.max(0, model.length - data.length));
            out.truncate(model.length);
          } else {
            model = [];
            out.clear();
          }
          expect(out.length).toBe(model.length);
        }
        expect(out.written()).toEqual(Uint8Array.from(model));
      }),
      { numRuns: 500 },
    );
  });
});
