import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DecodeError } from "../../core/errors.ts";
import { type NetlinkRequest, NLM_F_ACK, NLM_F_REQUEST, readMessages, request, writeMessage } from "./message.ts";
import { bytes, ipAddress, Writer } from "./wire.ts";

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString("hex");
}

describe("writeMessage", () => {
  test("puts a header before the body and fills up for the next message", () => {
    const out = new Writer();
    writeMessage(out, request("test", 16, 0x600, bytes, Uint8Array.of(1, 2)), NLM_F_REQUEST | NLM_F_ACK, 7);
    expect(hex(out.written())).toBe("120000001000050607000000000000000102" + "0000");
  });

  test("leaves nothing behind of a message whose value cannot be encoded", () => {
    const out = new Writer();
    const good: NetlinkRequest = request("good", 16, 0, bytes, Uint8Array.of(1, 2, 3, 4));
    writeMessage(out, good, 1, 1);
    const before = hex(out.written());
    expect(() => writeMessage(out, request("bad", 20, 0, ipAddress, "nowhere"), 1, 2)).toThrow(TypeError);
    expect(hex(out.written())).toBe(before);
    writeMessage(out, good, 1, 3);
    expect(readMessages(out.written()).map(({ sequence }) => sequence)).toEqual([1, 3]);
  });
});

describe("readMessages", () => {
  const anyMessage = fc.record({
    type: fc.nat(0xffff),
    flags: fc.nat(0xffff),
    sequence: fc.nat(0xffffffff),
    payload: fc.uint8Array({ maxLength: 20 }),
  });

  test("gives back what was written, one after the other", () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 8 }), (messages) => {
        const out = new Writer();
        for (const { type, flags, sequence, payload } of messages) {
          writeMessage(out, request("test", type, 0, bytes, payload), flags, sequence);
        }
        expect(readMessages(out.written())).toEqual(messages);
      }),
      { numRuns: 1_000 },
    );
  });

  test("refuses a datagram that is cut within a message", () => {
    const out = new Writer();
    const end = [20, 40];
    for (const sequence of [1, 2]) {
      writeMessage(out, request("test", 16, 0, bytes, Uint8Array.of(1, 2, 3, 4)), 1, sequence);
    }
    for (let size = 1; size < out.length; size++) {
      const cut = out.written().subarray(0, size);
      if (end.includes(size)) expect(readMessages(cut)).toHaveLength(size / 20);
      else expect(() => readMessages(cut)).toThrow(DecodeError);
    }
  });

  test("answers any bytes with messages or a DecodeError", () => {
    const small = fc.uint8Array({ maxLength: 64, max: 24 });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), small), (input) => {
        try {
          const read = readMessages(input);
          const total = read.reduce((sum, { payload }) => sum + 16 + payload.length, 0);
          expect(total).toBeLessThanOrEqual(input.length);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
