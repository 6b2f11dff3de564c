/** Configurations of bridge, and machines, with one thing wrong each. */

import { mkdirSync, writeFileSync } from "node:fs";
import { hostLocal, V4 } from "../../support/attachment-cases.ts";
import { bridgeVlanFiltering } from "../../support/kernel.ts";
import type { Need } from "../../support/needs.ts";
import {
  ADDRESS,
  CONFIG,
  CONFLICT,
  DECODE,
  ENVIRONMENT,
  FEATURE,
  FILE,
  type PluginWrongs,
  UNKNOWN_CONTAINER,
  VERSION,
  type Wrong,
  wrong,
} from "./wrong.ts";

/** The same of a single range. */
function wrongRange(range: Record<string, unknown>, field: string, value: string, more: Partial<Wrong> = {}): Wrong {
  return {
    name: `a range with ${JSON.stringify(range)}`,
    code: CONFIG,
    says: [`"ipam.ranges[0][0].${field}"`, value],
    config: (host) => ({ isGateway: true, ipam: hostLocal(host, [range]) }),
    ...more,
  };
}

/** Lists of ranges that are wrong together. */
function wrongRanges(ranges: unknown, says: readonly string[], more: Partial<Wrong> = {}): Wrong {
  return {
    name: `ranges ${JSON.stringify(ranges)}`,
    code: CONFIG,
    says,
    config: ({ dataDir }) => ({ isGateway: true, ipam: { type: "host-local", dataDir, ranges } }),
    ...more,
  };
}

const booleans = [
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

/** A kernel that filters VLANs does what the others refuse. */
const noVlanFiltering: Need = () =>
  bridgeVlanFiltering() === undefined ? "this kernel filters VLANs on bridges" : undefined;

const truncated = '{"cniVersion": "1.1.0", "name": "net", "type": "bri';

const list: readonly Wrong[] = [
  ...booleans.map((field) => wrong(field, "yes")),
  ...booleans.map((field) => wrong(field, 1)),
  wrong("bridge", 7),
  wrong("bridge", "a/b"),
  wrong("bridge", "a name longer than the kernel's"),
  wrong("bridge", "br%d"),
  wrong("ipMasqBackend", 7),
  wrong("ipMasqBackend", "pf", { theirsTakes: "it looks at the backend only with ipMasq" }),
  {
    ...wrong("ipMasqBackend", "pf"),
    name: "ipMasq with an ipMasqBackend that is none",
    config: (host) => ({ isGateway: true, ipMasq: true, ipMasqBackend: "pf", ipam: hostLocal(host, V4) }),
  },
  wrong("mtu", "1500"),
  wrong("mtu", 1.5),
  wrong("mtu", -1, { theirsTakes: "it takes the kernel's default" }),
  wrong("mtu", 67),
  wrong("mtu", 65536),
  wrong("vlan", "5"),
  wrong("vlan", -1),
  wrong("vlan", 4095),
  wrong("vlanTrunk", "5"),
  { ...wrong("vlanTrunk", [{ id: 0 }]), says: ['"vlanTrunk[0].id"', ": 0"] },
  { ...wrong("vlanTrunk", [{ id: 1 }, { id: 4095 }]), says: ['"vlanTrunk[1].id"', "4095"] },
  { ...wrong("vlanTrunk", [{ id: "5" }]), says: ['"vlanTrunk[0].id"', '"5"'] },
  { ...wrong("vlanTrunk", [{ minID: 5 }]), says: ['"vlanTrunk[0].maxID"'] },
  { ...wrong("vlanTrunk", [{ maxID: 5 }]), says: ['"vlanTrunk[0].minID"'] },
  { ...wrong("vlanTrunk", [{ minID: 9, maxID: 3 }]), says: ['"vlanTrunk[0].maxID"', "9", ": 3"] },
  { ...wrong("vlanTrunk", [{ minID: 0, maxID: 3 }]), says: ['"vlanTrunk[0].minID"', ": 0"] },
  {
    name: "hairpinMode and promiscMode together",
    code: CONFIG,
    says: ['"hairpinMode"', '"promiscMode"'],
    config: () => ({ hairpinMode: true, promiscMode: true }),
  },
  wrong("disableContainerInterface", true),
  wrong("runtimeConfig", "x"),
  wrong("runtimeConfig.mac", 7),
  wrong("runtimeConfig.mac", "zz"),
  wrong("runtimeConfig.mac", "01:00:5e:00:00:01"),
  wrong("runtimeConfig.mac", "00:00:00:00:00:00"),
  wrong("args", "x"),
  wrong("args.cni", 7),
  wrong("args.cni.mac", 7),
  wrong("args.cni.mac", "02:00:00:00:00"),
  {
    name: "MAC of CNI_ARGS is wrong",
    code: CONFIG,
    args: "MAC=zz",
    says: ["CNI_ARGS", "MAC", '"zz"'],
    config: () => ({}),
  },
  {
    name: "CNI_ARGS is no list of pairs",
    code: ENVIRONMENT,
    args: "MAC",
    says: ["CNI_ARGS", '"MAC"'],
    config: () => ({}),
  },
  wrong("dns", "x"),
  wrong("dns.nameservers", "10.0.0.1"),
  wrong("dns.domain", 7),
  wrong("ipam", "host-local"),
  wrong(
    "ipam",
    { subnet: "10.77.0.0/24" },
    { says: ['"ipam.type"', "missing"], theirsTakes: "without a type it forgets the section" },
  ),
  wrong("ipam.type", 7),
  wrong("ipam.type", "../host-local", { says: ['"ipam.type"', '"../host-local"'] }),
  wrong("ipam.type", "there-is-none", { code: FILE, says: ["there-is-none"] }),
  wrong("ipam.ranges", "10.77.0.0/24"),
  wrong("ipam.ranges", [{ subnet: "10.77.0.0/24" }], { says: ['"ipam.ranges[0]"', "list"] }),
  wrong("ipam.ranges", [], { says: ['"ipam.ranges"', "missing"] }),
  wrong("ipam.dataDir", 7),
  wrong("ipam.resolvConf", 7),
  wrong("ipam.resolvConf", "/there/is/none", { code: FILE, says: ["/there/is/none", "ENOENT"] }),
  wrong("ipam.routes", "x"),
  wrong("ipam.routes", [{ gw: "10.77.0.1" }], { says: ['"ipam.routes[0].dst"', "missing"] }),
  wrong("ipam.routes", [{ dst: "10.80.0.0" }], { says: ['"ipam.routes[0].dst"', '"10.80.0.0"'] }),
  wrong("ipam.routes", [{ dst: "10.80.0.0/16", gw: "x" }], { says: ['"ipam.routes[0].gw"', '"x"'] }),
  wrong("ipam.routes", [{ dst: "10.80.0.0/16", mtu: "x" }], { says: ['"ipam.routes[0].mtu"', '"x"'] }),
  wrong("ipam.routes", [{ dst: "10.80.0.0/16", table: -1 }], {
    says: ['"ipam.routes[0].table"', "-1"],
    theirsTakes: "it takes the main table",
  }),
  wrong("ipam.routes", [{ dst: "10.80.0.0/16", scope: 256 }], {
    says: ['"ipam.routes[0].scope"', "256"],
    theirsTakes: "it cuts the number off",
  }),
  wrongRange({}, "subnet", "missing"),
  wrongRange({ subnet: "10.77.0.0" }, "subnet", '"10.77.0.0"'),
  wrongRange({ subnet: "10.77.0.5/24" }, "subnet", '"10.77.0.5/24"'),
  wrongRange({ subnet: "10.77.0.0/31" }, "subnet", '"10.77.0.0/31"'),
  wrongRange({ subnet: "10.77.0.0/24", rangeStart: "10.78.0.1" }, "rangeStart", '"10.78.0.1"'),
  wrongRange({ subnet: "10.77.0.0/24", rangeEnd: "fd77::1" }, "rangeEnd", '"fd77::1"'),
  wrongRange({ subnet: "10.77.0.0/24", rangeStart: "10.77.0.9", rangeEnd: "10.77.0.3" }, "rangeEnd", '"10.77.0.3"'),
  wrongRange({ subnet: "10.77.0.0/24", gateway: "x" }, "gateway", '"x"'),
  wrongRanges([V4, V4], ['"ipam.ranges[1][0]"', "overlaps", '"ipam.ranges[0][0]"']),
  wrongRanges([[...V4, { subnet: "10.77.0.0/25" }]], ['"ipam.ranges[0][1]"', "overlaps"]),
  wrongRanges([[...V4, { subnet: "fd77::/64" }]], ['"ipam.ranges[0][1].subnet"', "IPv4", '"fd77::/64"']),
  wrongRanges([[]], ['"ipam.ranges[0]"']),
  {
    name: "a static address without its prefix length",
    code: CONFIG,
    says: ['"ipam.addresses[0].address"', '"10.77.0.9"'],
    config: () => ({ ipam: { type: "static", addresses: [{ address: "10.77.0.9" }] } }),
  },
  { ...wrong("name", "a/b"), config: () => ({}), stdin: '{"cniVersion":"1.1.0","name":"a/b","type":"bridge"}' },
  {
    name: "name is missing",
    code: CONFIG,
    says: ['"name"', "missing"],
    stdin: '{"cniVersion":"1.1.0","type":"bridge"}',
  },
  {
    name: "name is a number",
    code: CONFIG,
    says: ['"name"', "7"],
    stdin: '{"cniVersion":"1.1.0","name":7,"type":"bridge"}',
  },
  {
    name: "type is missing",
    code: CONFIG,
    says: ['"type"', "missing"],
    stdin: '{"cniVersion":"1.1.0","name":"net"}',
    theirsTakes: "it is the bridge whatever the type is",
  },
  {
    name: "cniVersion is unknown",
    code: VERSION,
    says: ['"9.9.9"'],
    stdin: '{"cniVersion":"9.9.9","name":"net","type":"bridge"}',
  },
  {
    name: "cniVersion is no version",
    code: VERSION,
    says: ['"one"'],
    stdin: '{"cniVersion":"one","name":"net","type":"bridge"}',
  },
  {
    name: "cniVersion is a number",
    code: CONFIG,
    says: ['"cniVersion"', "1"],
    stdin: '{"cniVersion":1,"name":"net","type":"bridge"}',
  },
  { name: "no byte of a configuration", code: DECODE, says: ["empty"], stdin: "" },
  { name: "truncated JSON", code: DECODE, says: ["not JSON", JSON.stringify(truncated)], stdin: truncated },
  { name: "a list", code: DECODE, says: ["JSON object", "[]"], stdin: "[]" },
  {
    name: "prevResult is no object",
    code: CONFIG,
    says: ['"prevResult"', '"x"'],
    stdin: '{"cniVersion":"1.1.0","name":"net","type":"bridge","prevResult":"x"}',
  },
  { name: "no namespace", code: ENVIRONMENT, says: ["CNI_NETNS"], netns: () => "" },
  {
    name: "a namespace that is not there",
    code: UNKNOWN_CONTAINER,
    says: ['"/run/netns/there-is-none"', "ENOENT"],
    netns: () => "/run/netns/there-is-none",
  },
  {
    name: "a file that is no namespace",
    code: UNKNOWN_CONTAINER,
    says: ["file", "not a network namespace"],
    netns: (host) => {
      writeFileSync(host.path("file"), "");
      return host.path("file");
    },
  },
  {
    name: "a dataDir in which no folder can be made",
    code: FILE,
    says: ['"/proc/leases/net/lock"', "ENOENT"],
    config: () => ({ ipam: { type: "host-local", ranges: [V4], dataDir: "/proc/leases" } }),
  },
  {
    name: "a dataDir that is a file",
    code: FILE,
    says: ["leases/net", "ENOTDIR"],
    given: (host) => writeFileSync(host.dataDir, ""),
    config: (host) => ({ ipam: hostLocal(host, V4) }),
  },
  {
    name: "a folder where a lease should be",
    code: FILE,
    says: ["10.77.0.2", "folder"],
    given: (host) => mkdirSync(`${host.dataDir}/net/10.77.0.2`, { recursive: true }),
    config: (host) => ({ ipam: hostLocal(host, V4) }),
    theirsTakes: "it takes the folder for a lease and gives the next address",
  },
  {
    name: "a range that is exhausted",
    code: ADDRESS,
    says: ['"ipam.ranges[0]"', "10.77.0.1-10.77.0.2"],
    given(host) {
      mkdirSync(`${host.dataDir}/net`, { recursive: true });
      writeFileSync(`${host.dataDir}/net/10.77.0.2`, "other\r\neth0");
    },
    config: (host) => ({ isGateway: true, ipam: hostLocal(host, [{ subnet: "10.77.0.0/30" }]) }),
  },
  {
    name: "an address outside of the ranges that CNI_ARGS asks for",
    code: ADDRESS,
    says: ["10.99.0.9", "CNI_ARGS"],
    args: "IgnoreUnknown=1;IP=10.99.0.9",
    config: (host) => ({ ipam: hostLocal(host, V4) }),
  },
  {
    name: "an interface that exists",
    code: CONFLICT,
    says: ['"eth0"', "container"],
    given: (_, container) => container.sh("ip link add eth0 type veth peer name other"),
    config: (host) => ({ isGateway: true, ipam: hostLocal(host, V4) }),
  },
  {
    name: "a bridge that is none",
    code: CONFLICT,
    says: ['"br0"', "not a bridge"],
    given: (host) => host.netns.sh("ip link add br0 type veth peer name other"),
    config: (host) => ({ isGateway: true, ipam: hostLocal(host, V4) }),
  },
  {
    name: "a bridge with another address, without forceAddress",
    code: CONFLICT,
    says: ['"br0"', "10.77.0.9/24", "10.77.0.1/24"],
    given: (host) => host.netns.sh("ip link add br0 type bridge; ip address add 10.77.0.9/24 dev br0"),
    config: (host) => ({ isGateway: true, ipam: hostLocal(host, V4) }),
  },
  {
    name: "vlan where the kernel filters none",
    need: noVlanFiltering,
    code: FEATURE,
    says: ['"br0"', "CONFIG_BRIDGE_VLAN_FILTERING"],
    config: (host) => ({ vlan: 5, ipam: hostLocal(host, V4) }),
  },
  {
    name: "vlanTrunk where the kernel filters none",
    need: noVlanFiltering,
    code: FEATURE,
    says: ['"br0"', "CONFIG_BRIDGE_VLAN_FILTERING"],
    config: () => ({ vlanTrunk: [{ id: 5 }, { minID: 7, maxID: 9 }] }),
  },
];

export const bridge: PluginWrongs = { type: "bridge", base: { bridge: "br0" }, list };
