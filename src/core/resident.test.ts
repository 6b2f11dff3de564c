import { expect, test } from "bun:test";
import fc from "fast-check";
import { CALL_VARIABLES, decodeAnswer, decodeCall, encodeAnswer, encodeCall, type ResidentCall } from "./resident.ts";

const call: Omit<ResidentCall, "type"> = {
  env: { CNI_COMMAND: "ADD", CNI_ARGS: "a=b;c=d" },
  stdin: '{"name":"Grüße"}',
  namespaces: { net: "net:[4026531840]", mnt: "mnt:[4026531841]" },
  until: 1_234_567.5,
};

test("a call comes out as it went in, with the type that the executable's name tells", () => {
  expect(decodeCall(encodeCall("/opt/cni/bin/bridge", call), (name) => name)).toEqual({ ...call, type: "bridge" });
  expect(decodeCall(encodeCall("tendril", call), () => undefined)).toEqual({ ...call, type: undefined });
});

test("variables that are none of the protocol's are left out", () => {
  const given = { ...call, env: { ...call.env, CNI_SECRET: "s", PATH: "/bin" } };
  expect(decodeCall(encodeCall("bridge", given), (name) => name).env).toEqual(call.env);
});

test("any call and any answer come out as they went in", () => {
  const text = fc.string({ unit: "binary" }).filter((value) => !value.includes("\0"));
  const env = fc.dictionary(fc.constantFrom(...CALL_VARIABLES), text, { noNullPrototype: true });
  fc.assert(
    fc.property(env, fc.string({ unit: "binary" }), text, fc.nat(2 ** 31), (variables, stdin, net, until) => {
      const given = { env: variables, stdin, namespaces: { net, mnt: "" }, until };
      expect(decodeCall(encodeCall("bridge", given), (name) => name)).toEqual({ ...given, type: "bridge" });
    }),
  );
  fc.assert(
    fc.property(fc.constantFrom(0, 1), fc.string({ unit: "binary" }), text, (status, stdout, stderr) => {
      expect(decodeAnswer(encodeAnswer({ status, stdout, stderr }))).toEqual({ status, stdout, stderr });
    }),
  );
});

test("what is cut at any place is refused", () => {
  const whole = encodeCall("bridge", call);
  for (let length = 0; length < whole.length; length++) {
    expect(() => decodeCall(whole.subarray(0, length), (name) => name)).toThrow(RangeError);
  }
  const answer = encodeAnswer({ status: 1, stdout: "one", stderr: "two" });
  for (let length = 0; length < answer.length; length++) {
    expect(() => decodeAnswer(answer.subarray(0, length))).toThrow(RangeError);
  }
});
