import { describe, expect, test } from "bun:test";
import { ConfigError, EnvironmentError } from "../../core/errors.ts";
import { formatIp } from "../../core/ip.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import { networkConfig } from "../test-support/call.ts";
import { parseConfiguration, parseLeaseDirectory } from "./configuration.ts";
import { formatRangeSet } from "./range.ts";

const SUBNET = { subnet: "10.1.0.0/24" };
const parse = (config: NetworkConfig, args: Record<string, string> = {}) =>
  parseConfiguration(config, new Map(Object.entries(args)));

describe("what is read", () => {
  test("range sets stand in the order runtime, old style, ranges, for their indexes name files", () => {
    const { sets } = parse(
      networkConfig(
        { ...SUBNET, ranges: [[{ subnet: "10.3.0.0/24" }, { subnet: "10.4.0.0/24" }]] },
        { runtimeConfig: { ipRanges: [[{ subnet: "10.2.0.0/24" }]] } },
      ),
    );
    expect(sets.map((set) => [set.field, formatRangeSet(set)])).toEqual([
      ["runtimeConfig.ipRanges[0]", "10.2.0.1-10.2.0.254"],
      ["ipam.subnet", "10.1.0.1-10.1.0.254"],
      ["ipam.ranges[0]", "10.3.0.1-10.3.0.254, 10.4.0.1-10.4.0.254"],
    ]);
  });

  test("the old style's bounds and gateway are used", () => {
    const { sets } = parse(
      networkConfig({ ...SUBNET, rangeStart: "10.1.0.10", rangeEnd: "10.1.0.20", gateway: "10.1.0.254" }),
    );
    expect(sets.map(formatRangeSet)).toEqual(["10.1.0.10-10.1.0.20"]);
    expect(sets[0]?.ranges.map(({ gateway }) => formatIp(gateway))).toEqual(["10.1.0.254"]);
  });

  test("empty text stands for an absent address, folder and file", () => {
    const configuration = parse(
      networkConfig({
        ranges: [[{ ...SUBNET, rangeStart: "", rangeEnd: "", gateway: "" }]],
        dataDir: "",
        resolvConf: "",
      }),
    );
    expect(configuration.sets.map(formatRangeSet)).toEqual(["10.1.0.1-10.1.0.254"]);
    expect(configuration.directory).toBe("/var/lib/cni/networks/net");
    expect(configuration.resolvConf).toBeUndefined();
  });

  test("requested addresses of all three sources add up, each once, with or without prefix length", () => {
    const { requested } = parse(
      networkConfig(SUBNET, {
        args: { cni: { ips: ["10.1.0.7/24", "10.1.0.5"] } },
        runtimeConfig: { ips: ["10.1.0.5", "10.1.0.8/16"] },
      }),
      { IP: "10.1.0.6" },
    );
    expect(requested.map(({ ip }) => formatIp(ip))).toEqual(["10.1.0.6", "10.1.0.7", "10.1.0.5", "10.1.0.8"]);
  });

  test("an empty IP in CNI_ARGS asks for nothing", () => {
    expect(parse(networkConfig(SUBNET), { IP: "" }).requested).toEqual([]);
  });

  test("the folder is read without regard to ranges that have become invalid", () => {
    const broken = networkConfig({ dataDir: "/data", ranges: "none", subnet: 7 });
    expect(parseLeaseDirectory(broken)).toBe("/data/net");
  });
});

/** Each field wrong in type, then in value: the field that the error names, and what it shows of the value. */
const WRONG: [string, NetworkConfig, string, string][] = [
  ["no ipam", { cniVersion: "1.1.0", name: "net", type: "bridge" }, "ipam", "is missing"],
  ["ipam of text", withIpam("x"), "ipam", '"x"'],
  ["no range", networkConfig({}), "ipam.ranges", "is missing"],
  ["no set", networkConfig({ ranges: [] }), "ipam.ranges", "is missing"],
  ["bounds without a subnet", networkConfig({ rangeStart: "10.1.0.4" }), "ipam.subnet", "is missing"],
  ["an empty set", networkConfig({ ranges: [[]] }), "ipam.ranges[0]", "[]"],
  ["ranges of text", networkConfig({ ranges: "10.1.0.0/24" }), "ipam.ranges", '"10.1.0.0/24"'],
  ["a set that is a range", networkConfig({ ranges: [SUBNET] }), "ipam.ranges[0]", '{"subnet":"10.1.0.0/24"}'],
  ["a range of text", networkConfig({ ranges: [["10.1.0.0/24"]] }), "ipam.ranges[0][0]", '"10.1.0.0/24"'],
  ["a range without subnet", networkConfig({ ranges: [[{}]] }), "ipam.ranges[0][0].subnet", "is missing"],
  ...wrongRange("subnet", [7, "10.1.0.0", "10.1.0.0/33", "", "10.1.0.1/24", "10.1.0.0/31"]),
  ...wrongRange("rangeStart", [7, "10.1.0", "10.2.0.1", "10.1.0.5/24", "fd00::1"]),
  ...wrongRange("rangeEnd", [true, "ten", "10.2.0.1", "fd00::1"]),
  ...wrongRange("gateway", [{}, "10.1.0.256", "fd00::1"]),
  ["old style: a number as subnet", networkConfig({ subnet: 7 }), "ipam.subnet", "7"],
  ["old style: host bits", networkConfig({ subnet: "10.1.0.1/24" }), "ipam.subnet", '"10.1.0.1/24"'],
  ["old style: a bound elsewhere", networkConfig({ ...SUBNET, rangeStart: "10.2.0.1" }), "ipam.rangeStart", "10.2.0.1"],
  ["old style: an end elsewhere", networkConfig({ ...SUBNET, rangeEnd: "10.2.0.1" }), "ipam.rangeEnd", "10.2.0.1"],
  ["old style: a gateway of text", networkConfig({ ...SUBNET, gateway: "gw" }), "ipam.gateway", '"gw"'],
  ["dataDir of number", networkConfig({ ...SUBNET, dataDir: 1 }), "ipam.dataDir", "1"],
  ["resolvConf of list", networkConfig({ ...SUBNET, resolvConf: [] }), "ipam.resolvConf", "[]"],
  ["routes of text", networkConfig({ ...SUBNET, routes: "default" }), "ipam.routes", '"default"'],
  ["a route without dst", networkConfig({ ...SUBNET, routes: [{}] }), "ipam.routes[0].dst", "is missing"],
  ["a route to a name", networkConfig({ ...SUBNET, routes: [{ dst: "all" }] }), "ipam.routes[0].dst", '"all"'],
  [
    "a route by a name",
    networkConfig({ ...SUBNET, routes: [{ dst: "0.0.0.0/0", gw: "gw" }] }),
    "ipam.routes[0].gw",
    '"gw"',
  ],
  ["runtimeConfig of list", networkConfig(SUBNET, { runtimeConfig: [] }), "runtimeConfig", "[]"],
  [
    "runtime ranges of one level",
    networkConfig(SUBNET, { runtimeConfig: { ipRanges: [{ subnet: "10.2.0.0/24" }] } }),
    "runtimeConfig.ipRanges[0]",
    "10.2.0.0/24",
  ],
  [
    "a runtime range too small",
    networkConfig(SUBNET, { runtimeConfig: { ipRanges: [[{ subnet: "10.2.0.0/31" }]] } }),
    "runtimeConfig.ipRanges[0][0].subnet",
    "10.2.0.0/31",
  ],
  [
    "runtime ips of text",
    networkConfig(SUBNET, { runtimeConfig: { ips: "10.1.0.5" } }),
    "runtimeConfig.ips",
    "10.1.0.5",
  ],
  ["a runtime ip of number", networkConfig(SUBNET, { runtimeConfig: { ips: [5] } }), "runtimeConfig.ips[0]", "5"],
  ["an empty runtime ip", networkConfig(SUBNET, { runtimeConfig: { ips: [""] } }), "runtimeConfig.ips[0]", '""'],
  ["args of text", networkConfig(SUBNET, { args: "x" as never }), "args", '"x"'],
  ["args.cni of text", networkConfig(SUBNET, { args: { cni: "x" as never } }), "args.cni", '"x"'],
  ["args.cni.ips of text", networkConfig(SUBNET, { args: { cni: { ips: "x" } } }), "args.cni.ips", '"x"'],
  ["an args ip of a name", networkConfig(SUBNET, { args: { cni: { ips: ["x/24"] } } }), "args.cni.ips[0]", '"x/24"'],
  [
    "overlap within a set",
    networkConfig({ ranges: [[SUBNET, { subnet: "10.1.0.0/16", rangeStart: "10.1.0.200" }]] }),
    "ipam.ranges[0][1]",
    '"ipam.ranges[0][0]" (10.1.0.1-10.1.0.254)',
  ],
  ["overlap of two sets", networkConfig({ ranges: [[SUBNET], [SUBNET]] }), "ipam.ranges[1][0]", "ipam.ranges[0][0]"],
  ["overlap with the old style", networkConfig({ ...SUBNET, ranges: [[SUBNET]] }), "ipam.ranges[0][0]", '"ipam"'],
  [
    "two families in a set",
    networkConfig({ ranges: [[SUBNET, { subnet: "fd00::/64" }]] }),
    "ipam.ranges[0][1].subnet",
    "fd00::/64",
  ],
  ["a name that leaves the folder", networkConfig(SUBNET, { name: "../net" }), "name", '"../net"'],
  ["a name that is the folder's own", networkConfig(SUBNET, { name: "." }), "name", '"."'],
];

function withIpam(ipam: unknown): NetworkConfig {
  return { cniVersion: "1.1.0", name: "net", type: "bridge", ipam: ipam as { type: string } };
}

function wrongRange(name: string, values: unknown[]): [string, NetworkConfig, string, string][] {
  return values.map((value) => [
    `${JSON.stringify(value)} as ${name}`,
    networkConfig({ ranges: [[{ subnet: "10.9.0.0/24" }], [{ ...SUBNET, [name]: value }]] }),
    `ipam.ranges[1][0].${name}`,
    JSON.stringify(value),
  ]);
}

describe("what is refused, by field and value", () => {
  for (const [what, config, field, shown] of WRONG) {
    test(what, () => {
      const error = thrown(() => parse(config));
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as ConfigError).field).toBe(field);
      expect((error as ConfigError).message).toContain(shown);
    });
  }

  for (const value of ["ten", "10.1.0.5/40", "10.1.0.5,10.1.0.6"]) {
    test(`IP=${value} in CNI_ARGS`, () => {
      const error = thrown(() => parse(networkConfig(SUBNET), { IP: value }));
      expect(error).toBeInstanceOf(EnvironmentError);
      expect((error as Error).message).toContain(JSON.stringify(value));
    });
  }
});

describe("a result before 0.3.0 has one address of each family", () => {
  const two = { ranges: [[SUBNET], [{ subnet: "10.2.0.0/24" }]] };
  const dual = { ranges: [[SUBNET], [{ subnet: "fd00::/64" }]] };
  for (const cniVersion of ["", "0.1.0", "0.2.0"]) {
    test(`version "${cniVersion}" refuses two IPv4 sets and takes one of each family`, () => {
      const error = thrown(() => parse(networkConfig(two, { cniVersion })));
      expect((error as ConfigError).field).toBe("ipam.ranges[1]");
      expect(parse(networkConfig(dual, { cniVersion })).sets).toHaveLength(2);
    });
  }
  for (const cniVersion of ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]) {
    test(`version ${cniVersion} takes two IPv4 sets`, () => {
      expect(parse(networkConfig(two, { cniVersion })).sets).toHaveLength(2);
    });
  }
});

function thrown(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("It was not refused");
}
