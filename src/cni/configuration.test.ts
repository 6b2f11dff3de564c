import { describe, expect, test } from "bun:test";
import { ConfigError, DecodeError, IncompatibleVersionError } from "../core/errors.ts";
import type { NetworkConfig } from "../core/plugin.ts";
import { decodeObject, parseConfiguration, parseVersion } from "./configuration.ts";
import type { Verb } from "./environment.ts";
import { configuration } from "./testing/in-process.ts";
import { versions } from "./versions.ts";

function read(raw: Record<string, unknown>, verb: Verb = "ADD", warnings: string[] = []): NetworkConfig {
  return parseConfiguration(raw, parseVersion(raw), verb, (sentence) => warnings.push(sentence));
}

function errorOf(work: () => unknown): ConfigError {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("input that is no configuration", () => {
  const inputs: [what: string, text: string, problem: string][] = [
    ["nothing", "", "it is empty"],
    ["white space", " \n\t", "it is empty"],
    ["a zero byte", "\0", "it is not JSON"],
    ["zero bytes", "\0\0\0\0", "it is not JSON"],
    ["half an object", '{"name": "net', "it is not JSON"],
    ["two objects", "{} {}", "it is not JSON"],
    ["a list", "[]", "it must be a JSON object"],
    ["a number", "5", "it must be a JSON object"],
    ["null", "null", "it must be a JSON object"],
    ["text", '"net"', "it must be a JSON object"],
    ["a hundred thousand brackets", "[".repeat(100_000), "it is not JSON"],
  ];
  for (const [what, text, problem] of inputs) {
    test(`${what} is refused`, () => {
      expect(() => decodeObject(text, "the configuration")).toThrow(DecodeError);
      expect(() => decodeObject(text, "the configuration")).toThrow(`Cannot read the configuration: ${problem}`);
    });
  }
});

describe("common fields", () => {
  const wrong: [field: string, value: unknown][] = [
    ["cniVersion", 1],
    ["cniVersion", {}],
    ["name", 5],
    ["name", ""],
    ["name", "a b"],
    ["name", "../net"],
    ["name", ["net"]],
    ["type", 5],
    ["type", ""],
    ["type", "../bridge"],
    ["type", ".."],
    ["ipam", "host-local"],
    ["ipam", []],
    ["dns", 5],
    ["dns", []],
    ["runtimeConfig", "mac"],
    ["runtimeConfig", []],
    ["args", "cni"],
    ["prevResult", 5],
    ["prevResult", []],
    ["prevResult", "null"],
  ];
  for (const [field, value] of wrong) {
    test(`${field} ${JSON.stringify(value)} is refused with field and value`, () => {
      const error = errorOf(() => read(configuration({ [field]: value })));
      expect(error.field).toBe(field);
      expect(error.message).toContain(JSON.stringify(value));
    });
  }

  const nested: [raw: Record<string, unknown>, field: string, value: unknown][] = [
    [{ ipam: { type: 5 } }, "ipam.type", 5],
    [{ ipam: { type: "../x" } }, "ipam.type", "../x"],
    [{ ipam: { subnet: "10.1.0.0/16" } }, "ipam.type", ""],
    [{ dns: { nameservers: "10.1.0.1" } }, "dns.nameservers", "10.1.0.1"],
    [{ dns: { nameservers: ["10.1.0.1", 5] } }, "dns.nameservers[1]", 5],
    [{ dns: { domain: [] } }, "dns.domain", []],
    [{ dns: { search: {} } }, "dns.search", {}],
    [{ dns: { options: [null] } }, "dns.options[0]", null],
    [{ args: { cni: [] } }, "args.cni", []],
    [{ prevResult: { cniVersion: "9.9.9" } }, "prevResult.cniVersion", "9.9.9"],
    [{ prevResult: { cniVersion: 1 } }, "prevResult.cniVersion", 1],
    [{ prevResult: { ips: [{ address: "10.1.0.5" }] } }, "prevResult.ips[0].address", "10.1.0.5"],
    [{ prevResult: { interfaces: [{ name: "eth0", mtu: "big" }] } }, "prevResult.interfaces[0].mtu", "big"],
  ];
  for (const [raw, field, value] of nested) {
    test(`${field} ${JSON.stringify(value)} is refused with field and value`, () => {
      const error = errorOf(() => read(configuration(raw)));
      expect(error.field).toBe(field);
      expect(error.message).toContain(JSON.stringify(value));
    });
  }

  for (const field of ["name", "type"]) {
    test(`${field} is needed, and null is the same as absent`, () => {
      expect(errorOf(() => read(configuration({ [field]: undefined }))).field).toBe(field);
      expect(errorOf(() => read(configuration({ [field]: null }))).message).toContain("is missing");
    });
  }

  test("null fields are the same as absent ones", () => {
    const raw = configuration({ ipam: null, dns: null, runtimeConfig: null, args: null, prevResult: null });
    expect(read(raw)).toEqual({ cniVersion: "1.1.0", name: "net", type: "fake" });
  });

  test("an empty IPAM section is none", () => {
    expect(read(configuration({ ipam: {} })).ipam).toBeUndefined();
    expect(read(configuration({ ipam: { type: "" } })).ipam).toBeUndefined();
  });

  test("an empty dns section is none", () => {
    expect(read(configuration({ dns: {} })).dns).toBeUndefined();
  });

  test("a plugin's own fields stay as they are", () => {
    const own = {
      bridge: "cni0",
      vlan: 5,
      Weird: [{ a: null }],
      ipam: { type: "x", ranges: [[]] },
      args: { cni: {}, o: 1 },
    };
    expect(read(configuration(own))).toMatchObject(own);
  });

  test("keys match without regard to case, and what was checked stands under the key of the specification alone", () => {
    const read1 = read({ CNIVERSION: "0.4.0", Name: "net", TYPE: "fake", IPAM: { Type: "host-local", subnet: "x" } });
    expect(read1).toMatchObject({ cniVersion: "0.4.0", name: "net", type: "fake" });
    expect(read1.ipam).toMatchObject({ type: "host-local", subnet: "x" });
    expect(Object.keys(read1).sort()).toEqual(["cniVersion", "ipam", "name", "type"]);
  });

  test("a field called __proto__ is an ordinary one", () => {
    const raw = decodeObject('{"name":"net","type":"fake","__proto__":{"ipam":{"type":"evil"}}}', "it");
    expect(read(raw).ipam).toBeUndefined();
    expect(Object.hasOwn(read(raw), "__proto__")).toBe(true);
  });
});

describe("cniVersion", () => {
  test("each version of the specification is known", () => {
    for (const cniVersion of versions) expect(parseVersion({ cniVersion })).toBe(cniVersion);
  });

  test("a missing, null or empty one means 0.1.0", () => {
    for (const raw of [{}, { cniVersion: null }, { cniVersion: "" }]) expect(parseVersion(raw)).toBe("0.1.0");
  });

  test("an unknown one is refused with the details that the reference gives", () => {
    for (const cniVersion of ["1.2.0", "1.1", "0.3.2", "latest"]) {
      try {
        parseVersion({ cniVersion });
        throw new Error("nothing was thrown");
      } catch (error) {
        expect(error).toBeInstanceOf(IncompatibleVersionError);
        expect((error as IncompatibleVersionError).details).toBe(
          `config is "${cniVersion}", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]`,
        );
      }
    }
  });
});

describe("prevResult", () => {
  test("is in the configuration's version where it does not tell its own, and comes out in the newest form", () => {
    const old = configuration({ cniVersion: "0.2.0", prevResult: { ip4: { ip: "10.1.0.5/16", gateway: "10.1.0.1" } } });
    expect(read(old).prevResult).toEqual({ ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }] });
    const middle = configuration({
      cniVersion: "0.4.0",
      prevResult: { ips: [{ version: "6", address: "fd00::5/64" }] },
    });
    expect(read(middle).prevResult).toEqual({ ips: [{ address: "fd00::5/64" }] });
  });

  test("may be in another version than the configuration", () => {
    const prevResult = { cniVersion: "0.2.0", ip4: { ip: "10.1.0.5/16" } };
    expect(read(configuration({ prevResult })).prevResult).toEqual({ ips: [{ address: "10.1.0.5/16" }] });
  });

  test("does not keep DEL from its work when it cannot be read", () => {
    const raw = configuration({ prevResult: { ips: [{ address: "nonsense" }] } });
    const warnings: string[] = [];
    expect(read(raw, "DEL", warnings).prevResult).toBeUndefined();
    expect(warnings.join()).toContain("prevResult.ips[0].address");
    expect(() => read(raw, "CHECK")).toThrow(ConfigError);
  });
});

describe("valid attachments", () => {
  const list = [{ containerID: "c1", ifname: "eth0" }];
  const parsed = [{ containerId: "c1", ifname: "eth0" }];

  test("are read for GC, by the key of today before the older one", () => {
    const raw = configuration({ "cni.dev/valid-attachments": list, "cni.dev/attachments": [] });
    expect(read(raw, "GC").validAttachments).toEqual(parsed);
    expect(read(configuration({ "cni.dev/attachments": list }), "GC").validAttachments).toEqual(parsed);
  });

  test("an empty list stays an empty list, a missing one and null are none", () => {
    expect(read(configuration({ "cni.dev/valid-attachments": [] }), "GC").validAttachments).toEqual([]);
    expect(read(configuration(), "GC").validAttachments).toBeUndefined();
    expect(read(configuration({ "cni.dev/valid-attachments": null }), "GC").validAttachments).toBeUndefined();
  });

  test("a configuration cannot smuggle them in by our own name for them", () => {
    for (const verb of ["GC", "ADD"] as const) {
      expect(read(configuration({ validAttachments: [] }), verb).validAttachments).toBeUndefined();
    }
  });

  const wrong: [value: unknown, field: string][] = [
    ["c1", "cni.dev/valid-attachments"],
    [{ containerID: "c1" }, "cni.dev/valid-attachments"],
    [[5], "cni.dev/valid-attachments[0]"],
    [[{ ifname: "eth0" }], "cni.dev/valid-attachments[0].containerID"],
    [[...list, { containerID: "c2", ifname: 0 }], "cni.dev/valid-attachments[1].ifname"],
    [[{ containerID: "c 2", ifname: "eth0" }], "cni.dev/valid-attachments[0].containerID"],
    [[{ containerID: "c2", ifname: "" }], "cni.dev/valid-attachments[0].ifname"],
  ];
  for (const [value, field] of wrong) {
    test(`${JSON.stringify(value)} is refused by GC, which must not guess, and no concern of ADD`, () => {
      const raw = configuration({ "cni.dev/valid-attachments": value });
      expect(errorOf(() => read(raw, "GC")).field).toBe(field);
      expect(() => read(raw, "ADD")).not.toThrow();
    });
  }
});
