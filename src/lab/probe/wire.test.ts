import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeSocketAddress, encodeSocketAddress } from "../../linux/socket-address.ts";
import { checksum, decodeIcmp, encodeEchoRequest } from "./icmp.ts";
import { makeToken, parseToken } from "./token.ts";

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(/\s/g, ""));

describe("an echo request", () => {
  test("is as ping(8) sends it: captured from `ping -c 1 -s 4 -e 4660 -p 61626364 127.0.0.1`", () => {
    // Type 8, code 0, checksum, id 0x1234, sequence 1, four bytes of pattern.
    expect(encodeEchoRequest(4, 0x1234, hex("61626364")).toHex()).toBe(hex("0800 2104 1234 0001 61626364").toHex());
  });

  test("comes back as a reply with its payload, behind an IP header of any length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 5, max: 15 }), (payload, words) => {
        const reply = encodeEchoRequest(4, 7, payload);
        reply[0] = 0;
        const packet = new Uint8Array([0x40 | words, ...new Array<number>(words * 4 - 1).fill(0), ...reply]);
        expect(decodeIcmp(4, packet)).toEqual({ kind: "reply", payload });
      }),
    );
  });

  test("is found in the error that a router sends about it, in both families", () => {
    const token = makeToken(9);
    const inner4 = new Uint8Array([0x45, ...new Array<number>(19).fill(0), ...encodeEchoRequest(4, 1, token)]);
    const error4 = new Uint8Array([0x45, ...new Array<number>(19).fill(0), 11, 0, 0, 0, 0, 0, 0, 0, ...inner4]);
    const found4 = decodeIcmp(4, error4);
    expect([found4?.kind, found4 && parseToken(found4.payload)]).toEqual(["timeExceeded", 9]);
    const inner6 = new Uint8Array([...new Array<number>(40).fill(0), ...encodeEchoRequest(6, 1, token)]);
    const found6 = decodeIcmp(6, new Uint8Array([3, 0, 0, 0, 0, 0, 0, 0, ...inner6]));
    expect([found6?.kind, found6 && parseToken(found6.payload)]).toEqual(["timeExceeded", 9]);
  });

  test("cut off anywhere is no error of ours", () => {
    fc.assert(
      fc.property(fc.constantFrom(4 as const, 6 as const), fc.uint8Array({ maxLength: 120 }), (family, bytes) => {
        const message = decodeIcmp(family, bytes);
        if (message !== undefined) parseToken(message.payload);
      }),
      { numRuns: 2000 },
    );
  });

  test("has a checksum that makes the sum of the whole zero", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (payload) => {
        expect(checksum(encodeEchoRequest(4, 1, payload))).toBe(0);
      }),
    );
  });
});

describe("a token", () => {
  test("is known by its number, also with more behind it", () => {
    expect(parseToken(makeToken(0xfedcba98))).toBe(0xfedcba98);
    expect(parseToken(new Uint8Array([...makeToken(5), 1, 2, 3]))).toBe(5);
  });

  test("is not one when a byte is missing or another", () => {
    const token = makeToken(5);
    expect(parseToken(token.subarray(1))).toBeUndefined();
    expect(parseToken(token.subarray(0, -1))).toBeUndefined();
    for (let i = 0; i < token.length - 4; i++) {
      const changed = token.slice();
      changed[i] = (changed[i] as number) ^ 1;
      expect(parseToken(changed)).toBeUndefined();
    }
  });
});

describe("a socket's address", () => {
  test("lies in memory as struct sockaddr_in and sockaddr_in6 do", () => {
    expect(encodeSocketAddress("10.1.2.3", 80).toHex()).toBe("020000500a010203".padEnd(32, "0"));
    expect(encodeSocketAddress("fd00::1", 443).toHex()).toBe(`0a0001bb00000000fd${"0".repeat(29)}1${"0".repeat(8)}`);
  });

  test("comes back as it was", () => {
    expect(decodeSocketAddress(4, encodeSocketAddress("192.0.2.7", 1))).toBe("192.0.2.7");
    expect(decodeSocketAddress(6, encodeSocketAddress("2001:db8::7", 1))).toBe("2001:db8::7");
  });
});
