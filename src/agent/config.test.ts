import { describe, expect, test } from "bun:test";
import { hostname } from "node:os";
import fc from "fast-check";
import { ConfigError, DecodeError } from "../core/errors.ts";
import { blockBitsFor } from "./block-size.ts";
import { type ClusterConfig, parseAgentConfig } from "./config.ts";

const STORE = { store: "dir:/var/lib/tendril/store" };

function cluster(fields: object = {}): ClusterConfig {
  const { cluster: parsed } = parseAgentConfig(JSON.stringify({ ...STORE, node: "node1", ...fields }));
  if (parsed === undefined) throw new Error("There is no cluster");
  return parsed;
}

function refusal(fields: object): ConfigError {
  try {
    parseAgentConfig(JSON.stringify({ ...STORE, ...fields }));
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(fields)} is not refused`);
}

describe("a configuration", () => {
  test("may be empty: the agent serves the plugins of one machine then", () => {
    for (const source of ["", "# nothing yet\n", "{}", "node: node1", "metrics: off"]) {
      expect(parseAgentConfig(source)).toEqual({
        cluster: undefined,
        metrics: undefined,
        inContainer: false,
        log: "info",
      });
    }
  });

  test("in mode auto has tunnels to other subnets alone", () => {
    const { cluster } = parseAgentConfig(JSON.stringify({ ...STORE, mode: "auto" }));
    expect(cluster).toMatchObject({ mode: "vxlan", crossSubnetOnly: true });
    expect(parseAgentConfig(JSON.stringify({ ...STORE, mode: "vxlan" })).cluster?.crossSubnetOnly).toBe(false);
  });

  test("knows the pods of the API server that is its store, and of another one where it is told", () => {
    const kubernetes = (fields: object) => parseAgentConfig(JSON.stringify(fields)).cluster?.kubernetes;
    expect(kubernetes({ store: "kubernetes:" })).toBe("kubernetes:");
    expect(kubernetes({ store: "kubernetes:/a", kubernetes: "kubernetes:/b" })).toBe("kubernetes:/b");
    expect(kubernetes({ ...STORE, kubernetes: "kubernetes:" })).toBe("kubernetes:");
    expect(kubernetes(STORE)).toBeUndefined();
  });

  test("gives addresses of nodes' own networks where Kubernetes says them", () => {
    expect(parseAgentConfig("store: 'kubernetes:'\nipam: node-cidr").cluster?.ipam).toBe("node-cidr");
    expect(cluster({ kubernetes: "kubernetes:", ipam: "node-cidr" }).ipam).toBe("node-cidr");
  });

  test("that gives nodes their networks has blocks that are these, unless they are huge", () => {
    const bits = (fields: object, ...parts: string[]) =>
      blockBitsFor(cluster(fields), ["10.0.0.0/8", "fd00::/48"], parts);
    expect(bits({}, "10.244.1.0/24", "fd00:0:0:1::/64")).toEqual({ ipv4: 24, ipv6: 122 });
    expect(bits({}, "10.244.0.0/20", "fd00::1000/116")).toEqual({ ipv4: 20, ipv6: 116 });
    expect(bits({}, "10.16.0.0/12")).toEqual({ ipv4: 26, ipv6: 122 });
    expect(bits({ bridge: "cni0" }, "10.244.1.0/25")).toEqual({ ipv4: 25, ipv6: 122 });
    expect(bits({ blockSize: { ipv4: 27 } }, "10.244.1.0/24")).toEqual({ ipv4: 27, ipv6: 122 });
    expect(() => bits({ blockSize: { ipv4: 23 } }, "10.244.1.0/24")).toThrow("is larger than a network of pods");
  });

  test("needs no more than a store to be of a cluster", () => {
    expect(parseAgentConfig("store: etcd://10.0.0.1:2379").cluster).toEqual({
      node: hostname().toLowerCase(),
      network: "tendril",
      store: "etcd://10.0.0.1:2379",
      storeOptions: {},
      kubernetes: undefined,
      mode: "vxlan",
      crossSubnetOnly: false,
      ipam: "blocks",
      subnet: [],
      fallbackSubnet: [],
      blockSize: { ipv4: undefined, ipv6: undefined },
      addresses: undefined,
      mtu: undefined,
      ownSubnet: false,
      bridge: undefined,
      masquerade: true,
      labels: {},
      vxlan: { vni: 1, port: 4789 },
      bgp: {
        as: 64512,
        peers: [],
        routeReflector: false,
        clusterId: undefined,
        password: undefined,
        gracefulRestart: true,
        bfd: false,
        tunnel: undefined,
        bird: "bird",
      },
      controller: false,
      networkConfig: undefined,
      heartbeat: 10,
      grace: 300,
      coolDown: 60,
    });
  });

  test("is YAML or JSON, and says the same in both", () => {
    const yaml = `
      node: node1
      store: etcd://10.0.0.1:2379,10.0.0.2:2379
      storeOptions: { prefix: /pods, ca: /etc/ca.pem }
      mode: bgp
      subnet: [10.244.0.0/16, "fd44::/48"]
      blockSize: { ipv4: 27 }
      bgp:
        as: 65001
        peers:
          - { address: 10.0.0.254, as: 65000, bfd: true }
      labels: { zone: east }
      networkConfig: /etc/cni/net.d/10-tendril.conflist
      metrics: 127.0.0.1:9095
      log: debug`;
    const parsed = parseAgentConfig(yaml);
    expect(parsed).toMatchObject({
      metrics: "127.0.0.1:9095",
      log: "debug",
      cluster: {
        storeOptions: { prefix: "/pods", ca: "/etc/ca.pem" },
        mode: "bgp",
        subnet: ["10.244.0.0/16", "fd44::/48"],
        blockSize: { ipv4: 27, ipv6: undefined },
        bgp: { as: 65001, peers: [{ address: "10.0.0.254", as: 65000, port: 179, bfd: true }] },
        labels: { zone: "east" },
      },
    });
    expect(parseAgentConfig(JSON.stringify(Bun.YAML.parse(yaml)))).toEqual(parsed);
  });

  test("has its fields overruled by those of the command line", () => {
    const file = JSON.stringify({ ...STORE, node: "node1", mode: "vxlan", subnet: "10.244.0.0/16", mtu: 1400 });
    const given = { node: "node2", store: "etcd://[2001:db8::1]:2379", mode: "host-gw", subnet: ["10.1.0.0/16"] };
    expect(parseAgentConfig(file, given).cluster).toMatchObject({ ...given, mtu: 1400 });
    expect(parseAgentConfig("", { store: STORE.store }).cluster).toMatchObject(STORE);
  });

  test("takes one network or address for a list of one, and clears what is no part of a network", () => {
    expect(cluster({ subnet: "10.244.7.9/16", addresses: "172.20.1.11/24" })).toMatchObject({
      subnet: ["10.244.0.0/16"],
      addresses: ["172.20.1.11/24"],
    });
  });

  test("takes null for absent, as YAML has it after an empty field", () => {
    expect(parseAgentConfig("store:\nmode:\nsubnet:\nmetrics:").cluster).toBeUndefined();
  });

  test("on a bridge has blocks of the size of a subnet, and where the node's range is given, of that", () => {
    const bitsOf = (fields: object) => {
      const parsed = cluster(fields);
      return blockBitsFor(parsed, parsed.subnet);
    };
    expect(bitsOf({})).toEqual({ ipv4: 26, ipv6: 122 });
    expect(bitsOf({ bridge: "cni0" })).toEqual({ ipv4: 24, ipv6: 122 });
    expect(bitsOf({ bridge: "cni0", blockSize: { ipv4: 28 } })).toEqual({ ipv4: 28, ipv6: 122 });
    const own = { ownSubnet: true, subnet: ["10.244.1.0/25", "fd44::/64"] };
    expect(bitsOf(own)).toEqual({ ipv4: 25, ipv6: 64 });
    expect(bitsOf({ subnet: "10.244.0.0/28" })).toEqual({ ipv4: 28, ipv6: 122 });
    expect(bitsOf({ ...own, blockSize: { ipv4: 27 } })).toEqual({ ipv4: 27, ipv6: 64 });
  });
});

describe("refused, with the name of the field, is", () => {
  const wrong: readonly (readonly [field: string, fields: object])[] = [
    ...["node", "network", "store", "kubernetes", "mode", "bridge", "networkConfig", "metrics", "log"].flatMap(
      (field) => [7, true, [], {}].map((value) => [field, { [field]: value }] as const),
    ),
    ...["crossSubnetOnly", "ownSubnet", "masquerade"].flatMap((field) =>
      [0, "yes", [], {}].map((value) => [field, { [field]: value }] as const),
    ),
    ...["mtu", "heartbeat", "grace", "coolDown"].flatMap((field) =>
      ["9", true, [], {}, 1.5, -1, 1e9].map((value) => [field, { [field]: value }] as const),
    ),
    ...["storeOptions", "labels", "vxlan", "bgp", "blockSize"].flatMap((field) =>
      [7, "word", true, []].map((value) => [field, { [field]: value }] as const),
    ),
    ...["subnet", "fallbackSubnet", "addresses"].flatMap((field) => [
      [field, { [field]: 7 }] as const,
      [field, { [field]: "10.244.0.0" }] as const,
      [field, { [field]: "10.244.0.0/33" }] as const,
      [`${field}[1]`, { [field]: ["10.244.0.0/16", "everything"] }] as const,
    ]),
    ["node", { node: "" }],
    ["node", { node: "Node1" }],
    ["node", { node: "a/b" }],
    ["node", { node: "-a" }],
    ["network", { network: "" }],
    ["network", { network: "a b" }],
    ["network", { network: "../etc" }],
    ["kubernetes", { kubernetes: "https://10.0.0.1:6443" }],
    ["kubernetes", { kubernetes: "kubernetes:relative" }],
    ["mode", { mode: "ipvlan" }],
    ["bridge", { bridge: "a name that is too long" }],
    ["bridge", { bridge: "a/b" }],
    ["mtu", { mtu: 575 }],
    ["mtu", { mtu: 65_536 }],
    ["storeOptions.ca", { storeOptions: { ca: 7 } }],
    ["labels.zone", { labels: { zone: true } }],
    ["vxlan.vni", { vxlan: { vni: 0 } }],
    ["vxlan.vni", { vxlan: { vni: 0x1000000 } }],
    ["vxlan.port", { vxlan: { port: "4789" } }],
    ["vxlan.ports", { vxlan: { ports: 4789 } }],
    ...["node-cidrs", 7, ""].map((ipam) => ["ipam", { ipam }] as const),
    ["ipam", { ipam: "node-cidr" }],
    ["ipam", { ipam: "node-cidr", kubernetes: "kubernetes:", ownSubnet: true }],
    ["blockSize.ipv4", { blockSize: { ipv4: 7 } }],
    ["blockSize.ipv6", { blockSize: { ipv6: 129 } }],
    ["blockSize.ipv5", { blockSize: { ipv5: 26 } }],
    ["blockSize.ipv4", { blockSize: { ipv4: 15 }, subnet: "10.244.0.0/16" }],
    ["blockSize.ipv6", { blockSize: { ipv6: 47 }, subnet: ["10.244.0.0/16", "fd44::/48"] }],
    ["blockSize.ipv4", { blockSize: { ipv4: 15 }, fallbackSubnet: "10.244.0.0/16" }],
    ["fallbackSubnet[1]", { fallbackSubnet: ["10.244.0.0/16", "10.245.0.0/16"] }],
    ["subnet[1]", { subnet: ["10.244.0.0/16", "10.245.0.0/16"] }],
    ["bgp.as", { bgp: { as: 0 } }],
    ["bgp.peer", { bgp: { peer: [] } }],
    ["bgp.peers[0].as", { bgp: { peers: [{ address: "10.0.0.254" }] } }],
    ["bgp.peers[0].ass", { bgp: { peers: [{ address: "10.0.0.254", as: 1, ass: 2 }] } }],
    ["heartbeat", { heartbeat: 0 }],
    ["grace", { heartbeat: 20, grace: 20 }],
    ["coolDown", { coolDown: 86_401 }],
    ["metrics", { metrics: "0.0.0.0:9095" }],
    ["metrics", { metrics: "10.0.0.1:9095" }],
    ["metrics", { metrics: "127.0.0.1" }],
    ["metrics", { metrics: "127.0.0.1:65536" }],
    ["log", { log: "loud" }],
    ["subnets", { subnets: ["10.244.0.0/16"] }],
    ["Mode", { Mode: "vxlan" }],
  ];

  test.each(wrong)("%s in %j", (field, fields) => {
    const error = refusal(fields);
    expect(error.field).toBe(field);
    expect(error.message).toContain(`"${field}"`);
  });

  test("a mode or a subnet without a store", () => {
    for (const fields of [{ mode: "vxlan" }, { subnet: "10.244.0.0/16" }]) {
      expect(() => parseAgentConfig(JSON.stringify(fields))).toThrow(ConfigError);
      expect(() => parseAgentConfig(JSON.stringify(fields))).toThrow(`which "${Object.keys(fields)[0]}" is of`);
    }
  });

  test("what is no object, as no configuration", () => {
    for (const source of ["7", "[]", "word", "- a", "{", "a: b: c", "store: *none", "a: 1\na: 2", "--- {}\n--- {}"]) {
      expect(() => parseAgentConfig(source)).toThrow(DecodeError);
    }
  });
});

describe("whatever is given", () => {
  const names = [
    ...["node", "network", "store", "storeOptions", "kubernetes", "mode", "crossSubnetOnly", "subnet", "blockSize"],
    ...[
      "ipam",
      "fallbackSubnet",
      "addresses",
      "mtu",
      "ownSubnet",
      "bridge",
      "masquerade",
      "labels",
      "vxlan",
      "bgp",
      "networkConfig",
      "heartbeat",
      "grace",
    ],
    ...["coolDown", "metrics", "log", "ipv4", "ipv6", "vni", "port", "peers", "as", "address", "__proto__"],
  ];
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom("vxlan", "10.0.0.0/8", "fd00::/8", "10.0.0.1/24", "dir:/x", "127.0.0.1:1", "a", "", 26, 1500),
      fc.string(),
      fc.double(),
      fc.constant(null),
      fc.boolean(),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie("value"), { maxKeys: 3 }),
    ),
  })).value;
  const document = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 6 });

  function expectRefusal(work: () => unknown): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof DecodeError)) throw error;
    }
  }

  test("it is taken, or refused with a ConfigError or DecodeError", () => {
    fc.assert(
      fc.property(document, document, (file, given) =>
        expectRefusal(() => parseAgentConfig(JSON.stringify(file), given)),
      ),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom(...names, ":", " ", "\n", "- ", "{", "}", "[", "]", "*a", "&a ", "? ", "|", "!!map "),
          {
            maxLength: 12,
          },
        ),
        (words) => expectRefusal(() => parseAgentConfig(words.join(""))),
      ),
      { numRuns: 2000 },
    );
  });
});
