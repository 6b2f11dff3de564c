/** The constants and structures that we wrote down, compared with the kernel's headers by a C compiler. */

import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { headers, needs } from "../../../test/support/needs.ts";
import * as libc from "../libc.ts";
import * as conntrack from "./conntrack.ts";
import * as netlinkMessage from "./message.ts";
import * as address from "./rtnetlink/address.ts";
import { action } from "./rtnetlink/filter/action.ts";
import * as filter from "./rtnetlink/filter/filter.ts";
import * as mirred from "./rtnetlink/filter/mirred.ts";
import * as u32Filter from "./rtnetlink/filter/u32.ts";
import { type BridgeData, bridgeData } from "./rtnetlink/link/bridge.ts";
import { type BridgePortData, bridgePortData } from "./rtnetlink/link/bridge-port.ts";
import { linkInfo } from "./rtnetlink/link/info.ts";
import { ipTunnelData } from "./rtnetlink/link/ip-tunnel.ts";
import * as ipvlan from "./rtnetlink/link/ipvlan.ts";
import * as link from "./rtnetlink/link/link.ts";
import * as macvlan from "./rtnetlink/link/macvlan.ts";
import { tunData } from "./rtnetlink/link/tun.ts";
import { vlanData } from "./rtnetlink/link/vlan.ts";
import { vrfData, vrfPortData } from "./rtnetlink/link/vrf.ts";
import { vxlanData } from "./rtnetlink/link/vxlan.ts";
import * as neighbour from "./rtnetlink/neighbour.ts";
import * as qdisc from "./rtnetlink/qdisc/qdisc.ts";
import * as tbf from "./rtnetlink/qdisc/tbf.ts";
import * as route from "./rtnetlink/route.ts";
import * as rule from "./rtnetlink/rule.ts";
import * as trafficControl from "./rtnetlink/traffic-control.ts";
import * as socket from "./socket.ts";
import * as subscription from "./subscription.ts";
import { encode, u32, type Wire } from "./wire.ts";

const HEADERS = [
  "sys/socket.h",
  "sys/mount.h",
  "sys/file.h",
  "sched.h",
  "stddef.h",
  "stdio.h",
  "linux/netlink.h",
  "linux/rtnetlink.h",
  "linux/if.h",
  "linux/if_link.h",
  "linux/if_tunnel.h",
  "linux/if_addr.h",
  "linux/if_bridge.h",
  "linux/neighbour.h",
  "linux/fib_rules.h",
  "linux/veth.h",
  "linux/if_ether.h",
  "linux/pkt_sched.h",
  "linux/pkt_cls.h",
  "linux/tc_act/tc_mirred.h",
  "linux/in.h",
  "linux/netfilter/nfnetlink.h",
  "linux/netfilter/nfnetlink_conntrack.h",
] as const;

/** Each exported number whose name is the header's. */
function exportedConstants(): [string, number][] {
  const modules = [
    libc,
    netlinkMessage,
    address,
    conntrack,
    filter,
    ipvlan,
    link,
    macvlan,
    mirred,
    neighbour,
    qdisc,
    route,
    rule,
    socket,
    subscription,
    tbf,
    trafficControl,
    u32Filter,
  ];
  return modules.flatMap((exported) =>
    Object.entries(exported).flatMap(([name, value]): [string, number][] =>
      typeof value === "number" && !OURS.has(name) ? [[name, value]] : [],
    ),
  );
}

/** Numbers of ours that no header names. */
const OURS: ReadonlySet<string> = new Set(["NLMSG_HEADER", "PSCHED_TICK_NS", "TC_H_CLSACT_INGRESS"]);

/** Which attribute a field is written as: its number, found by encoding the field alone. */
function attributeNumber(
  wire: Wire<unknown>,
  headerSize: number,
  header: object,
  field: string,
  value: unknown,
): number {
  const written = encode(wire, { ...header, [field]: value });
  return new DataView(written.buffer, written.byteOffset).getUint16(headerSize + 2, true) & 0x3fff;
}

const TEXT = "x";
const IP = "10.0.0.1";
const MAC = "02:00:00:00:00:01";

interface Format {
  readonly wire: Wire<unknown>;
  readonly header: object;
  readonly headerSize: number;
  /** The field, its constant, and a value that it can have. */
  readonly fields: readonly (readonly [field: string, constant: string, value: unknown])[];
}

const ADDRESS_HEADER = { family: 0, prefixLength: 0, flags8: 0, scope: 0, index: 0 };
const ROUTE_HEADER = {
  family: 0,
  destinationLength: 0,
  sourceLength: 0,
  tos: 0,
  table8: 0,
  protocol: 0,
  scope: 0,
  type: 0,
  flags: 0,
};
const RULE_HEADER = { family: 0, destinationLength: 0, sourceLength: 0, tos: 0, table8: 0, action: 0, flags: 0 };
const TC_HEADER = { family: 0, index: 0, handle: 0, parent: 0, info: 0 };
const MIRRED_PARAMETERS = {
  actionIndex: 0,
  capabilities: 0,
  action: 0,
  references: 0,
  bindings: 0,
  direction: 0,
  index: 0,
};
const RATE_SPEC = { cellLog: 0, linkLayer: 0, overhead: 0, cellAlign: 0, mpu: 0, rate: 0 };
const U32_HEADER = {
  flags: 0,
  offsetShift: 0,
  count: 0,
  offsetMask: 0,
  offset: 0,
  offsetOffset: 0,
  hashOffset: 0,
  hashMask: 0,
};
const NF_HEADER = { protocol: 0, version: 0, resource: 0 };
const NEIGHBOUR_HEADER = { family: 0, index: 0, state: 0, flags: 0, type: 0 };

const BRIDGE_FIELDS: { readonly [K in Exclude<keyof BridgeData, "unknown">]-?: string } = {
  forwardDelay: "IFLA_BR_FORWARD_DELAY",
  helloTime: "IFLA_BR_HELLO_TIME",
  maxAge: "IFLA_BR_MAX_AGE",
  ageingTime: "IFLA_BR_AGEING_TIME",
  stpState: "IFLA_BR_STP_STATE",
  priority: "IFLA_BR_PRIORITY",
  vlanFiltering: "IFLA_BR_VLAN_FILTERING",
  vlanProtocol: "IFLA_BR_VLAN_PROTOCOL",
  multicastSnooping: "IFLA_BR_MCAST_SNOOPING",
  vlanDefaultPvid: "IFLA_BR_VLAN_DEFAULT_PVID",
};

const PORT_FIELDS: { readonly [K in Exclude<keyof BridgePortData, "unknown">]-?: string } = {
  state: "IFLA_BRPORT_STATE",
  priority: "IFLA_BRPORT_PRIORITY",
  cost: "IFLA_BRPORT_COST",
  hairpin: "IFLA_BRPORT_MODE",
  guard: "IFLA_BRPORT_GUARD",
  rootBlock: "IFLA_BRPORT_PROTECT",
  fastLeave: "IFLA_BRPORT_FAST_LEAVE",
  learning: "IFLA_BRPORT_LEARNING",
  unicastFlood: "IFLA_BRPORT_UNICAST_FLOOD",
  proxyArp: "IFLA_BRPORT_PROXYARP",
  multicastFlood: "IFLA_BRPORT_MCAST_FLOOD",
  neighbourSuppression: "IFLA_BRPORT_NEIGH_SUPPRESS",
  isolated: "IFLA_BRPORT_ISOLATED",
};

function numbered(fields: Readonly<Record<string, string>>): Format["fields"] {
  return Object.entries(fields).map(([field, constant]) => [field, constant, 1]);
}

const FORMATS: readonly Format[] = [
  {
    wire: link.linkMessage,
    header: {},
    headerSize: 16,
    fields: [
      ["address", "IFLA_ADDRESS", MAC],
      ["broadcast", "IFLA_BROADCAST", MAC],
      ["name", "IFLA_IFNAME", TEXT],
      ["mtu", "IFLA_MTU", 1],
      ["link", "IFLA_LINK", 1],
      ["qdisc", "IFLA_QDISC", TEXT],
      ["master", "IFLA_MASTER", 1],
      ["transmitQueueLength", "IFLA_TXQLEN", 1],
      ["operationalState", "IFLA_OPERSTATE", 1],
      ["linkMode", "IFLA_LINKMODE", 1],
      ["info", "IFLA_LINKINFO", {}],
      ["netnsPid", "IFLA_NET_NS_PID", 1],
      ["alias", "IFLA_IFALIAS", TEXT],
      ["group", "IFLA_GROUP", 1],
      ["netnsFd", "IFLA_NET_NS_FD", 1],
      ["promiscuity", "IFLA_PROMISCUITY", 1],
      ["transmitQueues", "IFLA_NUM_TX_QUEUES", 1],
      ["receiveQueues", "IFLA_NUM_RX_QUEUES", 1],
      ["linkNetnsId", "IFLA_LINK_NETNSID", 1],
      ["newIndex", "IFLA_NEW_IFINDEX", 1],
      ["permanentAddress", "IFLA_PERM_ADDRESS", MAC],
      ["extendedMask", "IFLA_EXT_MASK", 1],
    ],
  },
  {
    wire: linkInfo(link.linkMessage),
    header: {},
    headerSize: 0,
    fields: [
      ["kind", "IFLA_INFO_KIND", TEXT],
      ["veth", "IFLA_INFO_DATA", {}],
      ["bridge", "IFLA_INFO_DATA", {}],
      ["macvlan", "IFLA_INFO_DATA", {}],
      ["ipvlan", "IFLA_INFO_DATA", {}],
      ["vlan", "IFLA_INFO_DATA", {}],
      ["vrf", "IFLA_INFO_DATA", {}],
      ["tun", "IFLA_INFO_DATA", {}],
      ["vxlan", "IFLA_INFO_DATA", {}],
      ["ipip", "IFLA_INFO_DATA", {}],
      ["sit", "IFLA_INFO_DATA", {}],
      ["data", "IFLA_INFO_DATA", new Uint8Array()],
      ["portKind", "IFLA_INFO_SLAVE_KIND", TEXT],
      ["bridgePort", "IFLA_INFO_SLAVE_DATA", {}],
      ["vrfPort", "IFLA_INFO_SLAVE_DATA", {}],
      ["portData", "IFLA_INFO_SLAVE_DATA", new Uint8Array()],
    ],
  },
  { wire: bridgeData, header: {}, headerSize: 0, fields: numbered(BRIDGE_FIELDS) },
  { wire: bridgePortData, header: {}, headerSize: 0, fields: numbered(PORT_FIELDS) },
  {
    wire: macvlan.macvlanData,
    header: {},
    headerSize: 0,
    fields: [
      ["mode", "IFLA_MACVLAN_MODE", 1],
      ["flags", "IFLA_MACVLAN_FLAGS", 1],
      ["broadcastQueueLength", "IFLA_MACVLAN_BC_QUEUE_LEN", 1],
      ["broadcastQueueLengthUsed", "IFLA_MACVLAN_BC_QUEUE_LEN_USED", 1],
    ],
  },
  {
    wire: ipvlan.ipvlanData,
    header: {},
    headerSize: 0,
    fields: [
      ["mode", "IFLA_IPVLAN_MODE", 1],
      ["flags", "IFLA_IPVLAN_FLAGS", 1],
    ],
  },
  {
    wire: vlanData,
    header: {},
    headerSize: 0,
    fields: [
      ["id", "IFLA_VLAN_ID", 1],
      ["flags", "IFLA_VLAN_FLAGS", { flags: 1, mask: 1 }],
      ["protocol", "IFLA_VLAN_PROTOCOL", 1],
    ],
  },
  {
    wire: tunData,
    header: {},
    headerSize: 0,
    fields: [
      ["owner", "IFLA_TUN_OWNER", 1],
      ["group", "IFLA_TUN_GROUP", 1],
      ["type", "IFLA_TUN_TYPE", 1],
      ["packetInformation", "IFLA_TUN_PI", true],
      ["virtioHeader", "IFLA_TUN_VNET_HDR", true],
      ["persistent", "IFLA_TUN_PERSIST", true],
      ["multiQueue", "IFLA_TUN_MULTI_QUEUE", true],
      ["queues", "IFLA_TUN_NUM_QUEUES", 1],
      ["disabledQueues", "IFLA_TUN_NUM_DISABLED_QUEUES", 1],
    ],
  },
  {
    wire: vxlanData,
    header: {},
    headerSize: 0,
    fields: [
      ["id", "IFLA_VXLAN_ID", 1],
      ["link", "IFLA_VXLAN_LINK", 1],
      ["local", "IFLA_VXLAN_LOCAL", IP],
      ["local6", "IFLA_VXLAN_LOCAL6", IP],
      ["ttl", "IFLA_VXLAN_TTL", 1],
      ["learning", "IFLA_VXLAN_LEARNING", true],
      ["port", "IFLA_VXLAN_PORT", 1],
      ["udpChecksum", "IFLA_VXLAN_UDP_CSUM", true],
      ["udp6ZeroChecksumSent", "IFLA_VXLAN_UDP_ZERO_CSUM6_TX", true],
      ["udp6ZeroChecksumTaken", "IFLA_VXLAN_UDP_ZERO_CSUM6_RX", true],
    ],
  },
  {
    wire: ipTunnelData,
    header: {},
    headerSize: 0,
    fields: [
      ["link", "IFLA_IPTUN_LINK", 1],
      ["local", "IFLA_IPTUN_LOCAL", IP],
      ["remote", "IFLA_IPTUN_REMOTE", IP],
      ["ttl", "IFLA_IPTUN_TTL", 1],
      ["tos", "IFLA_IPTUN_TOS", 1],
      ["protocol", "IFLA_IPTUN_PROTO", 1],
      ["pmtuDiscovery", "IFLA_IPTUN_PMTUDISC", true],
    ],
  },
  { wire: vrfData, header: {}, headerSize: 0, fields: [["table", "IFLA_VRF_TABLE", 1]] },
  { wire: vrfPortData, header: {}, headerSize: 0, fields: [["table", "IFLA_VRF_PORT_TABLE", 1]] },
  {
    wire: address.addressMessage,
    header: ADDRESS_HEADER,
    headerSize: 8,
    fields: [
      ["address", "IFA_ADDRESS", IP],
      ["local", "IFA_LOCAL", IP],
      ["label", "IFA_LABEL", TEXT],
      ["broadcast", "IFA_BROADCAST", IP],
      ["flags", "IFA_FLAGS", 1],
      ["metric", "IFA_RT_PRIORITY", 1],
    ],
  },
  {
    wire: route.routeMessage,
    header: ROUTE_HEADER,
    headerSize: 12,
    fields: [
      ["destination", "RTA_DST", IP],
      ["source", "RTA_SRC", IP],
      ["inputIndex", "RTA_IIF", 1],
      ["outputIndex", "RTA_OIF", 1],
      ["gateway", "RTA_GATEWAY", IP],
      ["priority", "RTA_PRIORITY", 1],
      ["preferredSource", "RTA_PREFSRC", IP],
      ["metrics", "RTA_METRICS", {}],
      ["table", "RTA_TABLE", 1],
      ["mark", "RTA_MARK", 1],
    ],
  },
  {
    wire: neighbour.neighbourMessage,
    header: NEIGHBOUR_HEADER,
    headerSize: 12,
    fields: [
      ["destination", "NDA_DST", IP],
      ["linkAddress", "NDA_LLADDR", MAC],
      ["vlan", "NDA_VLAN", 1],
      ["port", "NDA_PORT", 1],
      ["vni", "NDA_VNI", 1],
      ["master", "NDA_MASTER", 1],
    ],
  },
  {
    wire: rule.ruleMessage,
    header: RULE_HEADER,
    headerSize: 12,
    fields: [
      ["destination", "FRA_DST", IP],
      ["source", "FRA_SRC", IP],
      ["inputName", "FRA_IIFNAME", TEXT],
      ["priority", "FRA_PRIORITY", 1],
      ["mark", "FRA_FWMARK", 1],
      ["suppressPrefixLength", "FRA_SUPPRESS_PREFIXLEN", 1],
      ["table", "FRA_TABLE", 1],
      ["markMask", "FRA_FWMASK", 1],
      ["outputName", "FRA_OIFNAME", TEXT],
      ["protocol", "FRA_PROTOCOL", 1],
    ],
  },
  {
    wire: qdisc.qdiscMessage,
    header: TC_HEADER,
    headerSize: 20,
    fields: [
      ["kind", "TCA_KIND", TEXT],
      ["data", "TCA_OPTIONS", new Uint8Array()],
      ["tbf", "TCA_OPTIONS", {}],
    ],
  },
  {
    wire: tbf.tbfData,
    header: {},
    headerSize: 0,
    fields: [
      ["parameters", "TCA_TBF_PARMS", tbf.tokenBucketData({ rate: 1, burst: 1, limit: 1 }).parameters],
      ["rate64", "TCA_TBF_RATE64", 1n],
      ["burst", "TCA_TBF_BURST", 1],
    ],
  },
  {
    wire: filter.filterMessage,
    header: TC_HEADER,
    headerSize: 20,
    fields: [
      ["kind", "TCA_KIND", TEXT],
      ["data", "TCA_OPTIONS", new Uint8Array()],
      ["u32", "TCA_OPTIONS", {}],
    ],
  },
  {
    wire: u32Filter.u32Data,
    header: {},
    headerSize: 0,
    fields: [
      ["classId", "TCA_U32_CLASSID", 1],
      ["hash", "TCA_U32_HASH", 1],
      ["divisor", "TCA_U32_DIVISOR", 1],
      ["selector", "TCA_U32_SEL", u32Filter.EVERYTHING],
      ["actions", "TCA_U32_ACT", []],
      ["flags", "TCA_U32_FLAGS", 1],
    ],
  },
  {
    wire: action,
    header: {},
    headerSize: 0,
    fields: [
      ["kind", "TCA_ACT_KIND", TEXT],
      ["data", "TCA_ACT_OPTIONS", new Uint8Array()],
      ["mirred", "TCA_ACT_OPTIONS", {}],
    ],
  },
  {
    wire: mirred.mirredData,
    header: {},
    headerSize: 0,
    fields: [["parameters", "TCA_MIRRED_PARMS", MIRRED_PARAMETERS]],
  },
  {
    wire: conntrack.flowMessage,
    header: NF_HEADER,
    headerSize: 4,
    fields: [
      ["original", "CTA_TUPLE_ORIG", {}],
      ["reply", "CTA_TUPLE_REPLY", {}],
      ["status", "CTA_STATUS", 1],
      ["timeout", "CTA_TIMEOUT", 1],
      ["mark", "CTA_MARK", 1],
      ["use", "CTA_USE", 1],
      ["id", "CTA_ID", 1],
      ["zone", "CTA_ZONE", 1],
      ["filter", "CTA_FILTER", {}],
    ],
  },
  {
    wire: conntrack.tuple,
    header: {},
    headerSize: 0,
    fields: [
      ["addresses", "CTA_TUPLE_IP", {}],
      ["protocol", "CTA_TUPLE_PROTO", {}],
      ["zone", "CTA_TUPLE_ZONE", 1],
    ],
  },
  {
    wire: conntrack.tupleAddresses,
    header: {},
    headerSize: 0,
    fields: [
      ["source4", "CTA_IP_V4_SRC", IP],
      ["destination4", "CTA_IP_V4_DST", IP],
      ["source6", "CTA_IP_V6_SRC", IP],
      ["destination6", "CTA_IP_V6_DST", IP],
    ],
  },
  {
    wire: conntrack.tupleProtocol,
    header: {},
    headerSize: 0,
    fields: [
      ["number", "CTA_PROTO_NUM", 1],
      ["sourcePort", "CTA_PROTO_SRC_PORT", 1],
      ["destinationPort", "CTA_PROTO_DST_PORT", 1],
    ],
  },
];

/** Where a header's member lies: the offset and the size of the bytes that change with it. */
function memberPlace(wire: Wire<unknown>, header: object, member: string): string {
  const at = (value: number) => encode(wire, { ...header, [member]: value });
  const zero = at(0);
  // All bits set, as far as the member is wide; what is written beyond it would show here.
  const ones = at(0xffffffff);
  const changed = [...ones.keys()].filter((i) => ones[i] !== zero[i]);
  return `${changed[0]} ${changed.length}`;
}

interface Structure {
  readonly name: string;
  readonly size: number;
  readonly wire: Wire<unknown>;
  readonly header: object;
  /** Our member and theirs. */
  readonly members: Readonly<Record<string, string>>;
}

const LINK_HEADER = { family: 0, hardware: 0, index: 0, flags: 0, change: 0 };

const STRUCTURES: readonly Structure[] = [
  {
    name: "ifinfomsg",
    size: 16,
    wire: link.linkMessage,
    header: LINK_HEADER,
    members: {
      family: "ifi_family",
      hardware: "ifi_type",
      index: "ifi_index",
      flags: "ifi_flags",
      change: "ifi_change",
    },
  },
  {
    name: "ifaddrmsg",
    size: 8,
    wire: address.addressMessage,
    header: ADDRESS_HEADER,
    members: {
      family: "ifa_family",
      prefixLength: "ifa_prefixlen",
      flags8: "ifa_flags",
      scope: "ifa_scope",
      index: "ifa_index",
    },
  },
  {
    name: "rtmsg",
    size: 12,
    wire: route.routeMessage,
    header: ROUTE_HEADER,
    members: {
      family: "rtm_family",
      destinationLength: "rtm_dst_len",
      sourceLength: "rtm_src_len",
      tos: "rtm_tos",
      table8: "rtm_table",
      protocol: "rtm_protocol",
      scope: "rtm_scope",
      type: "rtm_type",
      flags: "rtm_flags",
    },
  },
  {
    name: "ndmsg",
    size: 12,
    wire: neighbour.neighbourMessage,
    header: NEIGHBOUR_HEADER,
    members: {
      family: "ndm_family",
      index: "ndm_ifindex",
      state: "ndm_state",
      flags: "ndm_flags",
      type: "ndm_type",
    },
  },
  {
    name: "fib_rule_hdr",
    size: 12,
    wire: rule.ruleMessage,
    header: RULE_HEADER,
    members: {
      family: "family",
      destinationLength: "dst_len",
      sourceLength: "src_len",
      tos: "tos",
      table8: "table",
      action: "action",
      flags: "flags",
    },
  },
  {
    name: "tcmsg",
    size: 20,
    wire: trafficControl.tcHeader,
    header: TC_HEADER,
    members: {
      family: "tcm_family",
      index: "tcm_ifindex",
      handle: "tcm_handle",
      parent: "tcm_parent",
      info: "tcm_info",
    },
  },
  {
    name: "tc_ratespec",
    size: 12,
    wire: tbf.rateSpec,
    header: RATE_SPEC,
    members: {
      cellLog: "cell_log",
      linkLayer: "linklayer",
      overhead: "overhead",
      cellAlign: "cell_align",
      mpu: "mpu",
      rate: "rate",
    },
  },
  {
    name: "tc_tbf_qopt",
    size: 36,
    wire: tbf.tbfParameters,
    header: { rate: RATE_SPEC, peakRate: RATE_SPEC, limit: 0, buffer: 0, mtu: 0 },
    members: { limit: "limit", buffer: "buffer", mtu: "mtu" },
  },
  {
    name: "tc_u32_sel",
    size: 16,
    wire: u32Filter.u32Header,
    header: U32_HEADER,
    members: {
      flags: "flags",
      offsetShift: "offshift",
      count: "nkeys",
      offsetMask: "offmask",
      offset: "off",
      offsetOffset: "offoff",
      hashOffset: "hoff",
      hashMask: "hmask",
    },
  },
  {
    name: "tc_u32_key",
    size: 16,
    wire: u32Filter.u32Key,
    header: { mask: 0, value: 0, offset: 0, offsetMask: 0 },
    members: { mask: "mask", value: "val", offset: "off", offsetMask: "offmask" },
  },
  {
    name: "tc_mirred",
    size: 28,
    wire: mirred.mirredParameters,
    header: MIRRED_PARAMETERS,
    members: {
      actionIndex: "index",
      capabilities: "capab",
      action: "action",
      references: "refcnt",
      bindings: "bindcnt",
      direction: "eaction",
      index: "ifindex",
    },
  },
];

/** What a C program prints for these expressions. */
function evaluate(expressions: readonly string[]): number[] {
  const folder = mkdtempSync(join(tmpdir(), "tendril-constants-"));
  try {
    const source = join(folder, "constants.c");
    const executable = join(folder, "constants");
    const includes = HEADERS.map((header) => `#include <${header}>`).join("\n");
    const prints = expressions.map((expression) => `  printf("%lld\\n", (long long)(${expression}));`).join("\n");
    writeFileSync(source, `#define _GNU_SOURCE\n${includes}\nint main(void) {\n${prints}\n  return 0;\n}\n`);
    const compiled = Bun.spawnSync(["gcc", "-o", executable, source]);
    if (compiled.exitCode !== 0) throw new Error(compiled.stderr.toString());
    return Bun.spawnSync([executable]).stdout.toString().trim().split("\n").map(Number);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const withHeaders = needs(headers(...HEADERS));

withHeaders("each exported constant has the value that its name has in the headers", () => {
  const constants = exportedConstants();
  expect(constants.length).toBeGreaterThan(70);
  const values = evaluate(constants.map(([name]) => name));
  expect(constants).toEqual(constants.map(([name], i) => [name, values[i] ?? Number.NaN]));
});

withHeaders("each field is written as the attribute that it is named after", () => {
  const ours = FORMATS.flatMap(({ wire, header, headerSize, fields }) =>
    fields.map(([field, constant, value]) => [
      `${field} ${constant}`,
      attributeNumber(wire, headerSize, header, field, value),
    ]),
  );
  const values = evaluate(FORMATS.flatMap(({ fields }) => fields.map(([, constant]) => constant)));
  expect(ours).toEqual(ours.map(([name], i) => [name ?? "", values[i] ?? Number.NaN]));
});

withHeaders("attributes within attributes have the headers' numbers", () => {
  const metrics = (value: object) => encode(route.routeMessage, { ...ROUTE_HEADER, metrics: value });
  // The header of the message and that of RTA_METRICS come before.
  const number = (value: object) => new DataView(metrics(value).buffer).getUint16(12 + 4 + 2, true);
  const peer = encode(linkInfo(link.linkMessage), { veth: { peer: {} } });
  expect([number({ mtu: 1 }), number({ advmss: 1 }), new DataView(peer.buffer).getUint16(4 + 2, true)]).toEqual(
    evaluate(["RTAX_MTU", "RTAX_ADVMSS", "VETH_INFO_PEER"]),
  );
});

withHeaders("each structure has the size, and each member the place, that C gives it", () => {
  const ours = STRUCTURES.flatMap(({ name, size, wire, header, members }) => [
    `${name} ${size} ${encode(wire, header).length}`,
    ...Object.keys(members).map((member) => `${name}.${member} ${memberPlace(wire, header, member)}`),
  ]);
  const theirs = STRUCTURES.flatMap(({ name, members }) => {
    const expressions = Object.values(members).flatMap((member) => [
      `offsetof(struct ${name}, ${member})`,
      `sizeof(((struct ${name} *)0)->${member})`,
    ]);
    const [size = 0, ...places] = evaluate([`sizeof(struct ${name})`, ...expressions]);
    return [
      `${name} ${size} ${size}`,
      ...Object.keys(members).map((member, i) => `${name}.${member} ${places[2 * i]} ${places[2 * i + 1]}`),
    ];
  });
  expect(ours).toEqual(theirs);
});

withHeaders("the address of a netlink socket is as long as we write it", () => {
  expect(evaluate(["sizeof(struct sockaddr_nl)", "sizeof(struct nlmsghdr)", "sizeof(struct nlattr)"])).toEqual([
    12,
    netlinkMessage.NLMSG_HEADER,
    4,
  ]);
  // The kernel reads socket options such as buffer sizes as int.
  expect(evaluate(["sizeof(int)"])).toEqual([u32.size]);
});
