import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DecodeError, KernelError } from "../../core/errors.ts";
import { decodeAck, decodeDumpEnd, NetlinkError } from "./error.ts";
import type { NetlinkMessage } from "./message.ts";

/** The payload of an answer in hexadecimal, with spaces where a reader wants them. */
function answer(flags: number, payload: string): NetlinkMessage {
  return { type: 2, flags, sequence: 1, payload: Uint8Array.from(Buffer.from(payload.replaceAll(" ", ""), "hex")) };
}

const CAPPED = 0x100;
const TLVS = 0x200;
const REQUEST_HEADER = "20000000 1000 0506 01000000 00000000";
/** NLMSGERR_ATTR_MSG "no" and NLMSGERR_ATTR_OFFS 20. */
const EXTENDED = "07000100 6e6f00 00 08000200 14000000";

describe("decodeAck", () => {
  test("takes number zero as success", () => {
    expect(decodeAck({ operation: "act" }, answer(CAPPED, `00000000 ${REQUEST_HEADER}`))).toBeUndefined();
    expect(
      decodeAck({ operation: "act" }, answer(CAPPED | TLVS, `00000000 ${REQUEST_HEADER} ${EXTENDED}`)),
    ).toBeUndefined();
  });

  test("names operation, error and the kernel's words", () => {
    const error = decodeAck(
      { operation: 'create link "x"' },
      answer(CAPPED | TLVS, `efffffff ${REQUEST_HEADER} ${EXTENDED}`),
    );
    expect(error).toBeInstanceOf(NetlinkError);
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({
      message: 'Cannot create link "x": EEXIST (no)',
      operation: 'create link "x"',
      code: "EEXIST",
      kernelMessage: "no",
      offset: 20,
    });
  });

  test("does without the kernel's words", () => {
    const error = decodeAck({ operation: "act" }, answer(CAPPED, `edffffff ${REQUEST_HEADER}`));
    expect(error).toMatchObject({ message: "Cannot act: ENODEV", kernelMessage: undefined, offset: undefined });
  });

  test("finds the kernel's words after the whole request, where that is repeated", () => {
    const request = `22000000 1000 0506 01000000 00000000 ${"00".repeat(18)}`;
    const error = decodeAck({ operation: "act" }, answer(TLVS, `edffffff ${request} 0000 ${EXTENDED}`));
    expect(error).toMatchObject({ kernelMessage: "no", offset: 20 });
  });

  test("refuses an answer that is cut, or that claims a request longer than itself", () => {
    for (const payload of ["", "ffffff", "ffffffff", `ffffffff ffffffff`, `ffffffff f0ffffff`, `ffffffff 00010000`]) {
      expect(() => decodeAck({ operation: "act" }, answer(TLVS, payload))).toThrow(DecodeError);
    }
    expect(() => decodeAck({ operation: "act" }, answer(TLVS | CAPPED, `ffffffff ${REQUEST_HEADER} 08`))).toThrow(
      DecodeError,
    );
  });
});

describe("decodeDumpEnd", () => {
  test("takes zero, a length, or nothing at all as success", () => {
    for (const payload of ["00000000", "10000000", "", "0000"]) {
      expect(decodeDumpEnd({ operation: "list" }, answer(2, payload))).toBeUndefined();
    }
  });

  test("finds the kernel's words right after the number", () => {
    expect(decodeDumpEnd({ operation: "list routes" }, answer(2 | TLVS, `feffffff ${EXTENDED}`))).toMatchObject({
      message: "Cannot list routes: ENOENT (no)",
      code: "ENOENT",
      offset: 20,
    });
    expect(decodeDumpEnd({ operation: "list" }, answer(2, "fcffffff"))).toMatchObject({ code: "EINTR" });
  });
});

test("any answer is an outcome or a DecodeError", () => {
  const payload = fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 64, max: 40 }));
  fc.assert(
    fc.property(payload, fc.nat(0xffff), (bytes, flags) => {
      for (const decode of [decodeAck, decodeDumpEnd]) {
        try {
          const error = decode({ operation: "act" }, { type: 2, flags, sequence: 1, payload: bytes });
          if (error !== undefined) expect(error).toBeInstanceOf(NetlinkError);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});
