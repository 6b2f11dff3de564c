import { expect, test } from "bun:test";
import { ConfigError, DecodeError } from "../core/errors.ts";
import { parseControllerConfig } from "./config.ts";

function refusal(source: string): string {
  try {
    parseControllerConfig(source);
  } catch (error) {
    if (error instanceof ConfigError) return error.field;
    if (error instanceof DecodeError) return "all of it";
    throw error;
  }
  return "none";
}

test("an empty one has defaults", () => {
  expect(parseControllerConfig("")).toEqual({
    store: "kubernetes:",
    storeOptions: {},
    patience: 320,
    nodeGrace: 300,
    ownerGrace: 600,
    agentGrace: 300,
    nearlyExhausted: 90,
    lease: 15,
    metrics: undefined,
    log: "info",
  });
  expect(parseControllerConfig("metrics: off").metrics).toBeUndefined();
  expect(parseControllerConfig("metrics: 127.0.0.1:9096").metrics).toBe("127.0.0.1:9096");
});

test("a field that is wrong is named", () => {
  expect(refusal("store: etcd://10.0.0.1:2379")).toBe("store");
  expect(refusal("storeOptions: {color: red}")).toBe("storeOptions.color");
  expect(refusal("lease: 2")).toBe("lease");
  expect(refusal("patience: 0")).toBe("patience");
  expect(refusal("nearlyExhausted: 101")).toBe("nearlyExhausted");
  expect(refusal("metrics: 0.0.0.0:9096")).toBe("metrics");
  expect(refusal("log: loud")).toBe("log");
  expect(refusal("nodegrace: 5")).toBe("nodegrace");
  expect(refusal("- a")).toBe("all of it");
  expect(refusal("a: [")).toBe("all of it");
});
