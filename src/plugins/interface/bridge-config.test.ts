import { describe, expect, test } from "bun:test";
import { ConfigError } from "../../core/errors.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import { parseBridgeConfig } from "./bridge-config.ts";

const base = { cniVersion: "1.1.0", name: "net", type: "bridge" };

function parse(fields: Record<string, unknown>, args: Record<string, string> = {}) {
  return parseBridgeConfig({ ...base, ...fields } as NetworkConfig, new Map(Object.entries(args)));
}

function refusal(fields: Record<string, unknown>, args: Record<string, string> = {}): ConfigError {
  try {
    parse(fields, args);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(fields)} was accepted`);
}

describe("defaults", () => {
  test("are those of the reference plugin", () => {
    expect(parse({})).toEqual({
      bridge: "cni0",
      isGateway: false,
      isDefaultGateway: false,
      forceAddress: false,
      ipMasq: false,
      mtu: undefined,
      hairpinMode: false,
      promiscMode: false,
      vlan: 0,
      vlanTrunk: [],
      preserveDefaultVlan: false,
      macSpoofCheck: false,
      enableDad: false,
      disableContainerInterface: false,
      portIsolation: false,
      mac: undefined,
      usesIpam: false,
      dns: undefined,
    });
  });

  test("null is the same as absent, and MTU 0 the kernel's choice", () => {
    expect(parse({ bridge: null, mtu: null, vlanTrunk: null })).toEqual(parse({}));
    expect(parse({ mtu: 0 }).mtu).toBeUndefined();
  });

  test("a default gateway is a gateway", () => {
    expect(parse({ isDefaultGateway: true }).isGateway).toBe(true);
  });

  test("keys match without regard to case, as Go reads them", () => {
    expect(parse({ isgateway: true, MTU: 1400 })).toMatchObject({ isGateway: true, mtu: 1400 });
  });
});

describe("the MAC that is asked for", () => {
  const a = "02:00:00:00:00:0a";
  const b = "02:00:00:00:00:0b";
  const c = "02:00:00:00:00:0c";

  test("runtimeConfig comes before args.cni, and that before CNI_ARGS", () => {
    expect(parse({ runtimeConfig: { mac: a }, args: { cni: { mac: b } } }, { MAC: c }).mac).toBe(a);
    expect(parse({ args: { cni: { mac: b } } }, { MAC: c }).mac).toBe(b);
    expect(parse({}, { MAC: c }).mac).toBe(c);
  });

  test("an empty one is none", () => {
    expect(parse({ runtimeConfig: { mac: "" } }).mac).toBeUndefined();
  });
});

describe("trunks", () => {
  test("ranges and single VLANs become one sorted list without repetition", () => {
    expect(parse({ vlanTrunk: [{ minID: 5, maxID: 7 }, { id: 6 }, { id: 2 }] }).vlanTrunk).toEqual([2, 5, 6, 7]);
  });
});

describe("a wrong field is named with its value", () => {
  const flags = [
    "isGateway",
    "isDefaultGateway",
    "forceAddress",
    "ipMasq",
    "hairpinMode",
    "promiscMode",
    "preserveDefaultVlan",
    "macspoofchk",
    "enabledad",
    "disableContainerInterface",
    "portIsolation",
  ];
  for (const flag of flags) {
    test(`${flag} that is no boolean`, () => {
      const error = refusal({ [flag]: "yes" });
      expect(error.field).toBe(flag);
      expect(error.message).toContain('"yes"');
    });
  }

  const wrong: [fields: Record<string, unknown>, field: string][] = [
    [{ bridge: 5 }, "bridge"],
    [{ bridge: "" }, "bridge"],
    [{ bridge: "a name that is too long" }, "bridge"],
    [{ bridge: "a/b" }, "bridge"],
    [{ mtu: "1500" }, "mtu"],
    [{ mtu: -1 }, "mtu"],
    [{ mtu: 67 }, "mtu"],
    [{ mtu: 65536 }, "mtu"],
    [{ mtu: 1500.5 }, "mtu"],
    [{ vlan: 4095 }, "vlan"],
    [{ vlan: -1 }, "vlan"],
    [{ vlan: "5" }, "vlan"],
    [{ vlanTrunk: { id: 5 } }, "vlanTrunk"],
    [{ vlanTrunk: [{ id: 0 }] }, "vlanTrunk[0].id"],
    [{ vlanTrunk: [{ id: 1 }, { id: 4095 }] }, "vlanTrunk[1].id"],
    [{ vlanTrunk: [{ minID: 5 }] }, "vlanTrunk[0].maxID"],
    [{ vlanTrunk: [{ maxID: 5 }] }, "vlanTrunk[0].minID"],
    [{ vlanTrunk: [{ minID: 7, maxID: 5 }] }, "vlanTrunk[0].maxID"],
    [{ bridge: "containers0", vlan: 1000, isGateway: true }, "bridge"],
    [{ ipMasqBackend: "pf" }, "ipMasqBackend"],
    [{ runtimeConfig: { mac: "nonsense" } }, "runtimeConfig.mac"],
    [{ args: { cni: { mac: "01:00:5e:00:00:01" } } }, "args.cni.mac"],
    [{ ipam: { type: "static" }, disableContainerInterface: true }, "disableContainerInterface"],
    [{ hairpinMode: true, promiscMode: true }, "hairpinMode"],
  ];
  for (const [fields, field] of wrong) {
    test(JSON.stringify(fields), () => {
      expect(refusal(fields).field).toBe(field);
    });
  }

  test("a MAC of CNI_ARGS", () => {
    expect(refusal({}, { MAC: "zz" }).field).toBe("CNI_ARGS MAC");
  });
});
