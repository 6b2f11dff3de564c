import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Result } from "../core/result.ts";
import { configuration, environment, fakePlugin, runCall } from "./testing/in-process.ts";
import { versions } from "./versions.ts";

/** Thousands of calls take longer than a test's usual limit when the machine is busy. */
const PATIENCE_MS = 120_000;

const verbs = ["ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION"];

const result: Result = {
  interfaces: [{ name: "eth0", mtu: 1500 }],
  ips: [{ address: "10.1.0.5/16", interface: 0 }, { address: "fd00::5/64" }],
  routes: [{ dst: "0.0.0.0/0" }],
};

/** Runs one call and checks what has to hold whatever came in. */
function check(env: Record<string, string>, stdin: string): void {
  const plugin = fakePlugin({ result });
  const { status, stdout, stderr } = runCall(plugin, env, stdin);
  expect([0, 1]).toContain(status);
  expect(stderr).not.toContain("    at ");
  if (status === 1) {
    const error = JSON.parse(stdout);
    expect(versions).toContain(error.cniVersion);
    expect([1, 2, 4, 5, 6, 7, 8]).toContain(error.code);
    expect(error.msg).not.toBe("");
    expect(plugin.calls).toEqual([]);
  } else if (env.CNI_COMMAND === "VERSION") {
    // Its cniVersion is whatever the input's is.
    expect(JSON.parse(stdout)).toEqual({ cniVersion: expect.any(String), supportedVersions: [...versions] });
  } else if (stdout !== "") {
    expect(versions).toContain(JSON.parse(stdout).cniVersion);
  } else {
    expect(env.CNI_COMMAND).not.toBe("ADD");
  }
}

const anything = fc.jsonValue({ maxDepth: 4 });
const verb = fc.constantFrom(...verbs, "", "add", "NONE");

/** Values that are nearly right, for fields that have a meaning. */
const likely = {
  cniVersion: fc.constantFrom<unknown>(...versions, "", "9.9.9", "1.1", 1, null),
  name: fc.oneof(fc.constantFrom("net", "", "a/b", ".."), fc.string(), anything),
  type: fc.oneof(fc.constantFrom("bridge", "", "a/b"), fc.string(), anything),
  ipam: fc.oneof(
    fc.record({ type: fc.oneof(fc.constantFrom("host-local", ""), anything), ranges: anything }, { requiredKeys: [] }),
    anything,
  ),
  dns: fc.oneof(
    fc.record(
      { nameservers: fc.oneof(fc.array(fc.string()), anything), domain: fc.oneof(fc.string(), anything) },
      { requiredKeys: [] },
    ),
    anything,
  ),
  runtimeConfig: fc.oneof(fc.dictionary(fc.string(), anything), anything),
  args: fc.oneof(fc.record({ cni: anything }, { requiredKeys: [] }), anything),
  prevResult: fc.oneof(
    fc.record(
      {
        cniVersion: fc.constantFrom<unknown>(...versions, "", "7", 7),
        interfaces: fc.oneof(fc.array(fc.record({ name: fc.oneof(fc.string(), anything), mtu: anything })), anything),
        ips: fc.oneof(
          fc.array(
            fc.record(
              {
                address: fc.oneof(fc.constantFrom("10.1.0.5/16", "fd00::5/64", "x"), anything),
                version: fc.constantFrom<unknown>("4", "6", 4),
                gateway: fc.oneof(fc.ipV4(), fc.ipV6(), anything),
                interface: fc.oneof(fc.nat(), anything),
              },
              { requiredKeys: [] },
            ),
          ),
          anything,
        ),
        ip4: fc.oneof(fc.record({ ip: fc.constantFrom("10.1.0.5/16", "x"), routes: anything }), anything),
        routes: anything,
        dns: anything,
      },
      { requiredKeys: [] },
    ),
    anything,
  ),
  "cni.dev/valid-attachments": fc.oneof(
    fc.array(fc.record({ containerID: fc.oneof(fc.string(), anything), ifname: fc.oneof(fc.string(), anything) })),
    anything,
  ),
  "cni.dev/attachments": anything,
  validAttachments: anything,
};

test(
  "any environment over a configuration that is in order: an answer by the protocol, never an exception",
  () => {
    const variable = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("", "c1", "eth0", "A=b", "/opt/cni/bin"));
    const environments = fc.record(
      {
        CNI_COMMAND: fc.oneof({ weight: 4, arbitrary: verb }, { weight: 1, arbitrary: variable }),
        CNI_CONTAINERID: variable,
        CNI_NETNS: variable,
        CNI_IFNAME: variable,
        CNI_ARGS: fc.oneof(
          variable,
          fc.string().map((text) => `IgnoreUnknown=1;${text}`),
        ),
        CNI_PATH: variable,
        CNI_NETNS_OVERRIDE: fc.constantFrom("", "1", "x"),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(environments, (env) => check(env, JSON.stringify(configuration()))),
      { numRuns: 4_000 },
    );
  },
  PATIENCE_MS,
);

test(
  "a configuration with fields that are nearly right: an answer by the protocol, never an exception",
  () => {
    fc.assert(
      fc.property(verb, fc.record(likely, { requiredKeys: [] }), (command, config) => {
        check(environment(command), JSON.stringify(config));
      }),
      { numRuns: 4_000 },
    );
  },
  PATIENCE_MS,
);

test(
  "one field that is wrong in a configuration that is in order: an answer by the protocol, never an exception",
  () => {
    const field = fc.constantFrom(...(Object.keys(likely) as (keyof typeof likely)[]));
    const change = field.chain((name) => fc.tuple(fc.constant(name), fc.oneof(likely[name], anything)));
    fc.assert(
      fc.property(verb, change, (command, [name, value]) => {
        check(environment(command), JSON.stringify(configuration({ [name]: value })));
      }),
      { numRuns: 4_000 },
    );
  },
  PATIENCE_MS,
);

test(
  "any JSON and any bytes: an answer by the protocol, never an exception",
  () => {
    const texts = fc.oneof(
      fc.json(),
      fc.string({ unit: "binary" }),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString("utf8")),
      // A configuration cut off, or with a byte changed.
      fc.tuple(fc.nat(60), fc.string()).map(([at, text]) => `${JSON.stringify(configuration()).slice(0, at)}${text}`),
    );
    fc.assert(
      fc.property(verb, texts, (command, text) => check(environment(command), text)),
      { numRuns: 4_000 },
    );
  },
  PATIENCE_MS,
);
