import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatMac, isUnicastMac, parseMac } from "./mac.ts";

describe("parseMac", () => {
  test.each([
    ["02:00:5e:10:00:0f", "02:00:5e:10:00:0f"],
    ["02-00-5E-10-00-0F", "02:00:5e:10:00:0f"],
    ["FF:FF:FF:FF:FF:FF", "ff:ff:ff:ff:ff:ff"],
  ])("reads %p", (text, canonical) => {
    expect(formatMac(parseMac(text) as Uint8Array)).toBe(canonical);
  });

  test.each([
    "",
    "02:00:5e:10:00",
    "02:00:5e:10:00:0f:00",
    "02:00:5e:10:00:f",
    "02:00:5e:10:00:0g",
    "02005e10000f",
    "0200.5e10.000f",
    " 02:00:5e:10:00:0f",
    "02:00:5e:10:00:0f\n",
    "02:00::10:00:0f",
  ])("refuses %p", (text) => {
    expect(parseMac(text)).toBeUndefined();
  });

  test("comes back from the text of any six bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
        expect(formatMac(bytes)).toBe(
          Buffer.from(bytes)
            .toString("hex")
            .replace(/..(?=.)/g, "$&:"),
        );
        expect(parseMac(formatMac(bytes))).toEqual(bytes);
        expect(parseMac(formatMac(bytes).toUpperCase())).toEqual(bytes);
      }),
    );
  });
});

test("isUnicastMac refuses group addresses and zero", () => {
  const unicast = (text: string) => isUnicastMac(parseMac(text) as Uint8Array);
  expect(unicast("02:00:00:00:00:01")).toBe(true);
  expect(unicast("00:00:00:00:00:01")).toBe(true);
  expect(unicast("fe:ff:ff:ff:ff:ff")).toBe(true);
  expect(unicast("01:00:5e:00:00:01")).toBe(false);
  expect(unicast("33:33:00:00:00:01")).toBe(false);
  expect(unicast("ff:ff:ff:ff:ff:ff")).toBe(false);
  expect(unicast("00:00:00:00:00:00")).toBe(false);
});
