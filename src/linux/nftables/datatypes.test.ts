import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { NftType } from "../../core/nftables.ts";
import {
  DATA_TYPES,
  decodeTuple,
  decodeValue,
  encodeEnds,
  encodeTuple,
  encodeValue,
  maskBits,
  prefixMask,
  tupleSize,
  typeNumber,
  typesOf,
} from "./datatypes.ts";
import { after, compareBytes, joinIntervals } from "./interval.ts";
import { hookNumber, nearestPriority, priorityNumber } from "./priority.ts";
import { registerAt, wordOfRegister } from "./registers.ts";
import { decodeUserdata, encodeUserdata, findText, textItem } from "./userdata.ts";

const NAMES = Object.keys(DATA_TYPES) as NftType[];
const anyType = fc.constantFrom(...NAMES);
const bytesOf = (type: NftType) => {
  const { size, text } = DATA_TYPES[type];
  if (text !== "name") return fc.uint8Array({ minLength: size, maxLength: size });
  return fc.stringMatching(/^[a-z][a-z0-9*]{0,14}$/).map((name) => encodeValue("ifname", name.replace(/\*$/, "\\*")));
};

describe("a value", () => {
  test("of any type is written as it was read", () => {
    const typed = anyType.chain((type) => fc.tuple(fc.constant(type), bytesOf(type)));
    fc.assert(
      fc.property(typed, ([type, bytes]) => {
        expect(encodeValue(type, decodeValue(type, bytes))).toEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test("is in the order of its type", () => {
    const hex = (type: NftType, value: string | number) => Buffer.from(encodeValue(type, value)).toString("hex");
    expect(hex("inet_service", 80)).toBe("0050");
    expect(hex("mark", 0x12345678)).toBe("78563412");
    expect(hex("ether_type", "ip6")).toBe("86dd");
    expect(hex("ct_state", "established,related")).toBe("06000000");
    expect(hex("iface_type", "loopback")).toBe("0403");
    expect(hex("ifname", "lo")).toBe(`6c6f${"00".repeat(14)}`);
  });

  test("may be a word or the number that it stands for", () => {
    expect(encodeValue("inet_proto", "tcp")).toEqual(encodeValue("inet_proto", 6));
    expect(encodeValue("inet_proto", "0x06")).toEqual(encodeValue("inet_proto", "6"));
    expect(decodeValue("inet_proto", new Uint8Array([6]))).toBe("tcp");
    expect(decodeValue("inet_proto", new Uint8Array([99]))).toBe(99);
  });

  test("named as a property of every object is not a word", () => {
    expect(() => encodeValue("inet_proto", "constructor")).toThrow(TypeError);
  });
});

describe("a tuple", () => {
  test("has its parts at whole words, and reads back with its ranges", () => {
    const types: NftType[] = ["ifname", "ether_addr", "ipv4_addr", "inet_service"];
    const tuple = ["eth0", "02:00:00:00:00:01", "10.0.0.0/8", { from: 80, to: 90 }];
    const { from, to } = encodeTuple(types, tuple);
    expect([from.length, tupleSize(types)]).toEqual([32, 32]);
    expect(Buffer.from(from.subarray(16)).toString("hex")).toBe("0200000000010000" + "0a000000" + "00500000");
    expect(Buffer.from(to.subarray(16)).toString("hex")).toBe("0200000000010000" + "0affffff" + "005a0000");
    expect(decodeTuple(types, from, to)).toEqual(tuple);
  });

  test("of another number of parts than its type is refused", () => {
    expect(() => encodeTuple(["ipv4_addr"], ["10.0.0.1", 80])).toThrow(TypeError);
    expect(() => encodeTuple(["ipv4_addr", "inet_service"], ["10.0.0.1"])).toThrow(TypeError);
  });
});

test("the number of a concatenation tells its types, and one with an unknown type none", () => {
  fc.assert(
    fc.property(fc.array(anyType, { minLength: 1, maxLength: 5 }), (types) => {
      expect(typesOf(typeNumber(types))).toEqual(types);
    }),
  );
  expect(typeNumber(["ifname", "ether_addr"])).toBe((41 << 6) | 9);
  expect(typesOf(0)).toBeUndefined();
  expect(typesOf((63 << 6) | 9)).toBeUndefined();
});

test("a prefix spans what its length leaves open", () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  const { from, to } = encodeEnds("ipv4_addr", "10.1.255.3/20");
  expect([hex(from), hex(to)]).toEqual(["0a01f000", "0a01ffff"]);
  expect([0, 1, 8, 9, 31, 32].map((bits) => hex(prefixMask(4, bits)))).toEqual([
    "00000000",
    "80000000",
    "ff000000",
    "ff800000",
    "fffffffe",
    "ffffffff",
  ]);
  for (let bits = 0; bits <= 128; bits++) expect(maskBits(prefixMask(16, bits))).toBe(bits);
  expect(maskBits(new Uint8Array([0xff, 0x01]))).toBeUndefined();
});

describe("ranges", () => {
  const at = (value: number, flags?: number) => ({ key: { value: new Uint8Array([value]) }, ...(flags && { flags }) });

  test("are joined from starts and ends in any order; neighbours need no end, and the last may have none", () => {
    const joined = joinIntervals([at(30), at(21), at(20), at(11, 1), at(10), at(0, 1), at(22, 1), at(21, 1)]);
    expect(joined.map(({ element, last }) => [element.key.value[0], last[0]])).toEqual([
      [10, 10],
      [20, 20],
      [21, 21],
      [30, 255],
    ]);
  });

  test("end before the number after their last", () => {
    expect(after(new Uint8Array([1, 255]))).toEqual(new Uint8Array([2, 0]));
    expect(after(new Uint8Array([255, 255]))).toBeUndefined();
    expect(compareBytes(new Uint8Array([1, 2]), new Uint8Array([2, 1]))).toBeLessThan(0);
  });
});

describe("a priority", () => {
  test("is a number, a name, or a distance from one", () => {
    expect(priorityNumber("inet", "postrouting", "srcnat")).toBe(100);
    expect(priorityNumber("inet", "input", "filter - 5")).toBe(-5);
    expect(priorityNumber("bridge", "prerouting", "dstnat")).toBe(-300);
    expect(priorityNumber("bridge", "output", "out + 2")).toBe(102);
    expect(priorityNumber("ip", "input", 7)).toBe(7);
  });

  test("by a name that the hook does not have is refused", () => {
    expect(() => priorityNumber("inet", "input", "srcnat")).toThrow(TypeError);
    expect(() => priorityNumber("netdev", "ingress", "raw")).toThrow(TypeError);
    expect(() => hookNumber("arp", "prerouting")).toThrow(TypeError);
  });

  test("is named by what is within ten of it and fits the hook", () => {
    expect(nearestPriority("inet", "prerouting", -90)).toBe("dstnat + 10");
    expect(nearestPriority("inet", "prerouting", -89)).toBe(-89);
    expect(nearestPriority("inet", "input", -100)).toBe(-100);
    expect(nearestPriority("bridge", "forward", -200)).toBe("filter");
  });
});

test("registers are counted in words of four bytes", () => {
  expect([0, 1, 3, 4, 5, 8, 15].map(registerAt)).toEqual([1, 9, 11, 2, 13, 3, 23]);
  for (let word = 0; word < 16; word++) expect(wordOfRegister(registerAt(word))).toBe(word);
});

describe("user data", () => {
  test("carries a comment as nft(8) does", () => {
    const bytes = encodeUserdata([textItem(0, "hi")]);
    expect(bytes).toEqual(new Uint8Array([0, 3, 104, 105, 0]));
    expect(findText(decodeUserdata(bytes), 0)).toBe("hi");
  });

  test("that does not parse is passed over", () => {
    expect(decodeUserdata(new Uint8Array([0, 9, 1]))).toEqual([]);
    expect(decodeUserdata(undefined)).toEqual([]);
  });

  test("longer than the kernel keeps is refused", () => {
    expect(() => encodeUserdata([textItem(0, "x".repeat(255))])).toThrow(TypeError);
    expect(encodeUserdata([textItem(0, "x".repeat(253))]).length).toBe(256);
  });
});
