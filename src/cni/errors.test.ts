import { describe, expect, test } from "bun:test";
import * as errors from "../core/errors.ts";
import { errorMessage } from "../core/errors.ts";
import { SystemCallError } from "../linux/libc.ts";
import { errorCode, errorCodes, formatError, INTERNAL_ERROR_CODE } from "./errors.ts";

test("each class of errors but the base and the passed-on ones has a code of its own", () => {
  const without = ["TendrilError", "DelegateError"];
  const classes = Object.entries(errors).filter(([name]) => name.endsWith("Error") && !without.includes(name));
  expect(classes.length).toBeGreaterThan(15);
  for (const [name, made] of classes) {
    expect([name, errorCodes.filter((each) => each.class === made).length]).toEqual([name, 1]);
  }
  expect(new Set(errorCodes.map(({ code }) => code)).size).toBe(errorCodes.length);
});

test("a class stands before those that it extends, so that the narrower code is found", () => {
  for (const [i, { class: later }] of errorCodes.entries()) {
    for (const { class: earlier } of errorCodes.slice(0, i)) {
      expect(later.prototype instanceof earlier).toBe(false);
    }
  }
});

describe("codes", () => {
  const table: [error: unknown, code: number][] = [
    [new errors.IncompatibleVersionError("x"), 1],
    [new errors.UnsupportedFieldError("vlan", "is not supported"), 2],
    [new errors.UnknownContainerError("x"), 3],
    [new errors.EnvironmentError("x"), 4],
    [new errors.FileError("x"), 5],
    [new errors.DecodeError("x"), 6],
    [new errors.ConfigError("name", "is missing"), 7],
    [new errors.NetnsError("x"), 8],
    [new errors.TryAgainError("x"), 11],
    [new errors.NotAvailableError("x"), 50],
    [new errors.KernelError("x", "EPERM"), 100],
    [new SystemCallError("setns", 1), 100],
    [new errors.KernelFeatureError("vlan", "x"), 101],
    [new errors.AddressError("x"), 102],
    [new errors.ConflictError("x"), 103],
    [new errors.VerificationError(["x"]), 104],
    [new errors.PluginFailureError("x"), 105],
    [new errors.DelegateError("x", 51), 51],
    [new errors.DelegateError("x", 4711), 4711],
    [new errors.TendrilError("x"), INTERNAL_ERROR_CODE],
    [new TypeError("x"), INTERNAL_ERROR_CODE],
    ["text", INTERNAL_ERROR_CODE],
    [undefined, INTERNAL_ERROR_CODE],
  ];
  for (const [error, code] of table) {
    const name = error instanceof Error ? error.name : String(error);
    test(`${name} is code ${code}`, () => {
      expect(errorCode(error)).toBe(code);
    });
  }
});

test("an error is printed with version, code, message and details", () => {
  const error = new errors.TryAgainError("Cannot lock", { details: "call again", cause: new Error("hidden") });
  expect(formatError(error, "0.4.0")).toBe(`{
    "cniVersion": "0.4.0",
    "code": 11,
    "msg": "Cannot lock",
    "details": "call again"
}`);
});

test("details are left out where there are none", () => {
  for (const error of [new errors.FileError("x"), new errors.FileError("x", { details: "" }), new Error("x")]) {
    expect(JSON.parse(formatError(error, "1.1.0"))).not.toHaveProperty("details");
  }
});

test("whatever is thrown has a message, and no stack in it", () => {
  const things = [new Error(""), Object.create(null), null, undefined, Symbol("s"), 5, () => {}, { message: 5 }];
  for (const thing of things) {
    expect(errorMessage(thing)).not.toBe("");
    const printed = JSON.parse(formatError(thing, "1.1.0"));
    expect(printed).toMatchObject({ code: INTERNAL_ERROR_CODE });
    expect(printed.msg).not.toContain("at ");
  }
});
