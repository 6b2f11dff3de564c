import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ConfigError, DecodeError } from "../core/errors.ts";
import { clusterTypes } from "../plugins/types.ts";
import { blockBitsFor } from "./block-size.ts";
import { parseAgentConfig } from "./config.ts";
import { type NetworkSource, readNetworkSource } from "./network-source.ts";

const read = (config: unknown): NetworkSource => readNetworkSource(JSON.stringify(config), clusterTypes);

/** What the agent makes of a network configuration alone, with a store. */
const agent = (config: unknown) =>
  parseAgentConfig("", { store: "dir:/var/lib/tendril/store", node: "node1", ...read(config) }).cluster;

describe("the configuration that a cluster has already", () => {
  test("of simplecni is one range, of which each node claims its own", () => {
    const config = {
      cniVersion: "0.3.0",
      name: "simplecni",
      type: "simplecni",
      bridge: "simplecni0",
      subnet: "10.244.0.0/16",
    };
    const parsed = agent(config);
    expect(parsed && blockBitsFor(parsed, parsed.subnet).ipv4).toBe(24);
    expect(parsed).toMatchObject({
      network: "simplecni",
      mode: "host-gw",
      bridge: "simplecni0",
      subnet: ["10.244.0.0/16"],
      ownSubnet: false,
    });
  });

  test("of minicni is the node's own range", () => {
    const config = {
      cniVersion: "0.1.0",
      name: "minicni",
      type: "minicni",
      bridge: "minicni0",
      mtu: 1500,
      subnet: "10.244.1.0/24",
    };
    const parsed = agent(config);
    expect(parsed && blockBitsFor(parsed, parsed.subnet).ipv4).toBe(24);
    expect(parsed).toMatchObject({
      network: "minicni",
      mode: "host-gw",
      bridge: "minicni0",
      mtu: 1500,
      subnet: ["10.244.1.0/24"],
      ownSubnet: true,
    });
  });

  test("of testcni names its mode, and has a bridge in host-gw alone", () => {
    const testcni = { cniVersion: "0.3.0", name: "testcni", type: "testcni", subnet: "10.244.0.0/16" };
    expect(agent({ ...testcni, bridge: "testcni0" })).toMatchObject({ mode: "host-gw", bridge: "testcni0" });
    expect(agent({ ...testcni, mode: "", bridge: "testcni0" })).toMatchObject({ mode: "host-gw" });
    expect(agent({ ...testcni, mode: "ipip" })).toMatchObject({ mode: "ipip", bridge: undefined });
    expect(agent({ ...testcni, mode: "ipip", bridge: "testcni0" })?.bridge).toBeUndefined();
    expect(agent({ ...testcni, mode: "vxlan", subnet: "10.244.0.0" })).toMatchObject({
      mode: "vxlan",
      subnet: ["10.244.0.0/16"],
    });
  });

  test("of testcni in a mode that no node's agent has is refused by that field", () => {
    const ipam = { rangeStart: "192.168.64.90", rangeEnd: "192.168.64.100" };
    const config = { name: "testcni", type: "testcni", mode: "ipvlan", subnet: "192.168.64.0/24", ipam };
    expect(() => agent(config)).toThrow('"mode"');
  });

  test("of tendril says as much as it says", () => {
    const plugin = { type: "tendril", mode: "vxlan", capabilities: { portMappings: true } };
    const list = { cniVersion: "1.1.0", name: "pods", plugins: [plugin, { type: "portmap" }] };
    expect(read(list)).toEqual({ network: "pods", mode: "vxlan" });
    expect(read({ name: "pods", type: "tendril" })).toEqual({ network: "pods" });
    expect(agent(list)).toMatchObject({ network: "pods", mode: "vxlan", subnet: [] });
  });

  test("may have the plugin at any place of a list", () => {
    const plugins = [{ type: "loopback" }, null, { type: "minicni", subnet: "10.244.1.0/24" }];
    expect(read({ name: "a", plugins })).toMatchObject({ network: "a", subnet: "10.244.1.0/24", ownSubnet: true });
  });
});

describe("refused, with the name of the field, is", () => {
  const plugin = { name: "a", type: "testcni" };
  const wrong: readonly (readonly [field: string, config: unknown])[] = [
    ["name", { type: "testcni" }],
    ["name", { name: 7, type: "testcni" }],
    ["type", { name: "a" }],
    ["type", { name: "a", type: "bridge" }],
    ["type", { name: "a", plugins: [{ type: "bridge" }] }],
    ["plugins", { name: "a", plugins: [] }],
    ["plugins", { name: "a", plugins: [{ type: "bridge" }, { type: "portmap" }] }],
    ["mode", { ...plugin, mode: 7 }],
    ["subnet", { ...plugin, subnet: ["10.244.0.0/16"] }],
    ["subnet", { ...plugin, subnet: "ten" }],
    ["subnet", { ...plugin, subnet: "10.244.0.0/99" }],
    ["bridge", { ...plugin, bridge: 7 }],
    ["bridge", { ...plugin, bridge: "a/b" }],
    ["mtu", { ...plugin, mtu: "1500" }],
    ["mtu", { ...plugin, mtu: 3 }],
    ["plugins[1].subnet", { name: "a", plugins: [{ type: "loopback" }, { type: "testcni", subnet: 7 }] }],
  ];
  test.each(wrong)("%s in %j", (field, config) => {
    let found: unknown;
    try {
      agent(config);
    } catch (error) {
      found = error;
    }
    expect(found).toBeInstanceOf(ConfigError);
    expect((found as ConfigError).field).toBe(field);
  });

  test("what is no object", () => {
    for (const text of ["", "{", "7", "[]", "null", '"a"']) {
      expect(() => readNetworkSource(text, clusterTypes)).toThrow(DecodeError);
    }
  });

  test("whatever else there is", () => {
    const word = fc.oneof(fc.constantFrom("tendril", "minicni", "host-gw", "10.0.0.0", "br0"), fc.jsonValue());
    const keys = fc.constantFrom("name", "type", "mode", "subnet", "bridge", "mtu", "plugins", "ipam", "__proto__");
    const plugins = fc.dictionary(keys, word);
    const config = fc.oneof(fc.jsonValue(), plugins, fc.record({ name: word, plugins: fc.array(plugins) }));
    fc.assert(
      fc.property(config, (value) => {
        try {
          agent(value);
        } catch (error) {
          if (!(error instanceof ConfigError || error instanceof DecodeError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});
