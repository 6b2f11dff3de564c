import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatMac } from "../../../core/mac.ts";
import { type Format, fields, ipText, testFormats } from "../test-support/formats.ts";
import { encode } from "../wire.ts";
import { addressMessage } from "./address.ts";
import { filterMessage } from "./filter/filter.ts";
import { bridgeData } from "./link/bridge.ts";
import { bridgePortData } from "./link/bridge-port.ts";
import { ipTunnelData } from "./link/ip-tunnel.ts";
import { ipvlanData } from "./link/ipvlan.ts";
import { type Link, linkMessage } from "./link/link.ts";
import { macvlanData } from "./link/macvlan.ts";
import { tunData } from "./link/tun.ts";
import { vlanData } from "./link/vlan.ts";
import { vrfData } from "./link/vrf.ts";
import { vxlanData } from "./link/vxlan.ts";
import { neighbourMessage } from "./neighbour.ts";
import { qdiscMessage } from "./qdisc/qdisc.ts";
import { routeMessage } from "./route.ts";
import { ruleMessage } from "./rule.ts";

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);
const i32 = fc.integer();
const bool = fc.boolean();
const name = fc.string({ unit: "grapheme-ascii", maxLength: 15 });
const macText = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(formatMac);

const bridge = fields(
  {},
  {
    forwardDelay: u32,
    helloTime: u32,
    maxAge: u32,
    ageingTime: u32,
    stpState: u32,
    priority: u16,
    vlanFiltering: bool,
    vlanProtocol: u16,
    multicastSnooping: bool,
    vlanDefaultPvid: u16,
  },
);

const bridgePort = fields(
  {},
  { state: u8, priority: u16, cost: u32, hairpin: bool, learning: bool, unicastFlood: bool, isolated: bool },
);

const macvlan = fields({}, { mode: u32, flags: u16, broadcastQueueLength: u32, broadcastQueueLengthUsed: u32 });
const ipvlan = fields({}, { mode: u16, flags: u16 });
const vlan = fields({}, { id: u16, flags: fc.record({ flags: u32, mask: u32 }), protocol: u16 });
const vrf = fields({}, { table: u32 });
const tun = fields({}, { owner: u32, group: u32, type: u8, packetInformation: bool, persistent: bool, queues: u32 });

const vxlan = fields(
  {},
  { id: u32, link: u32, local: ipText, local6: ipText, ttl: u8, learning: bool, port: u16, udpChecksum: bool },
);
const ipTunnel = fields({}, { link: u32, local: ipText, remote: ipText, ttl: u8, protocol: u8, pmtuDiscovery: bool });

const linkHeader = { family: u8, hardware: u16, index: i32, flags: u32, change: u32 };
const linkFields = {
  address: macText,
  broadcast: macText,
  name,
  mtu: u32,
  link: u32,
  qdisc: name,
  master: u32,
  transmitQueueLength: u32,
  operationalState: u8,
  linkMode: u8,
  netnsPid: u32,
  alias: name,
  group: u32,
  netnsFd: u32,
  promiscuity: u32,
  transmitQueues: u32,
  receiveQueues: u32,
  linkNetnsId: i32,
  newIndex: i32,
  permanentAddress: macText,
};

const port = fc.oneof(
  fc.constant({}),
  bridgePort.map((value) => ({ portKind: "bridge", bridgePort: value })),
  vrf.map((value) => ({ portKind: "vrf", vrfPort: value })),
  fc.uint8Array({ maxLength: 9 }).map((portData) => ({ portKind: "bond", portData })),
);
const kind = fc.oneof(
  fc.constant({ kind: "veth" }),
  bridge.map((value) => ({ kind: "bridge", bridge: value })),
  macvlan.map((value) => ({ kind: "macvlan", macvlan: value })),
  ipvlan.map((value) => ({ kind: "ipvlan", ipvlan: value })),
  vlan.map((value) => ({ kind: "vlan", vlan: value })),
  vrf.map((value) => ({ kind: "vrf", vrf: value })),
  tun.map((value) => ({ kind: "tun", tun: value })),
  vxlan.map((value) => ({ kind: "vxlan", vxlan: value })),
  ipTunnel.map((value) => ({ kind: "ipip", ipip: value })),
  ipTunnel.map((value) => ({ kind: "sit", sit: value })),
  fields(linkHeader, linkFields).map((peer) => ({ kind: "veth", veth: { peer } })),
  fc.uint8Array({ maxLength: 9 }).map((data) => ({ kind: "geneve", data })),
);
const info = fc.tuple(kind, port).map(([a, b]) => ({ ...a, ...b }));

const tcHeader = { family: u8, index: i32, handle: u32, parent: u32, info: u32 };
const rate = fc.record({ cellLog: u8, linkLayer: u8, overhead: u16, cellAlign: u16, mpu: u16, rate: u32 });
const tbf = fields(
  {},
  {
    parameters: fc.record({ rate, peakRate: rate, limit: u32, buffer: u32, mtu: u32 }),
    rate64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    burst: u32,
  },
);
const otherKind = fc.record({ kind: fc.constant("other"), data: fc.uint8Array({ maxLength: 9 }) });
const qdisc = fc
  .tuple(fields(tcHeader, {}), fc.oneof(otherKind, fc.record({ kind: fc.constant("tbf"), tbf })))
  .map(([header, data]) => ({ ...header, ...data }));

const mirred = fields(
  {},
  {
    parameters: fc.record({
      actionIndex: u32,
      capabilities: u32,
      action: i32,
      references: i32,
      bindings: i32,
      direction: i32,
      index: u32,
    }),
  },
);
const u32Filter = fields(
  {},
  {
    classId: u32,
    hash: u32,
    divisor: u32,
    selector: fc.record({
      flags: u8,
      offsetShift: u8,
      offsetMask: u16,
      offset: u16,
      offsetOffset: u16,
      hashOffset: u16,
      hashMask: u32,
      keys: fc.array(fc.record({ mask: u32, value: u32, offset: i32, offsetMask: i32 }), { maxLength: 4 }),
    }),
    actions: fc.array(fc.oneof(otherKind, fc.record({ kind: fc.constant("mirred"), mirred })), { maxLength: 3 }),
    flags: u32,
  },
);
const filter = fc
  .tuple(fields(tcHeader, {}), fc.oneof(otherKind, fc.record({ kind: fc.constant("u32"), u32: u32Filter })))
  .map(([header, data]) => ({ ...header, ...data }));

const formats: readonly Format[] = [
  ["link", linkMessage, fields(linkHeader, { ...linkFields, info })],
  ["bridge", bridgeData, bridge],
  ["bridge port", bridgePortData, bridgePort],
  ["macvlan", macvlanData, macvlan],
  ["ipvlan", ipvlanData, ipvlan],
  ["VLAN", vlanData, vlan],
  ["VRF", vrfData, vrf],
  ["TUN", tunData, tun],
  ["VXLAN", vxlanData, vxlan],
  ["IP tunnel", ipTunnelData, ipTunnel],
  [
    "address",
    addressMessage,
    fields(
      { family: u8, prefixLength: u8, flags8: u8, scope: u8, index: u32 },
      { address: ipText, local: ipText, label: name, broadcast: ipText, flags: u32, metric: u32 },
    ),
  ],
  [
    "route",
    routeMessage,
    fields(
      {
        family: u8,
        destinationLength: u8,
        sourceLength: u8,
        tos: u8,
        table8: u8,
        protocol: u8,
        scope: u8,
        type: u8,
        flags: u32,
      },
      {
        destination: ipText,
        source: ipText,
        inputIndex: u32,
        outputIndex: u32,
        gateway: ipText,
        priority: u32,
        preferredSource: ipText,
        metrics: fields({}, { mtu: u32, advmss: u32 }),
        nextHops: fc.array(fields({ flags: u8, hops: u8, outputIndex: u32 }, { gateway: ipText }), { maxLength: 3 }),
        table: u32,
        mark: u32,
      },
    ),
  ],
  [
    "neighbour",
    neighbourMessage,
    fields(
      { family: u8, index: i32, state: u16, flags: u8, type: u8 },
      { destination: ipText, linkAddress: macText, vlan: u16, port: u16, vni: u32, master: u32 },
    ),
  ],
  [
    "rule",
    ruleMessage,
    fields(
      { family: u8, destinationLength: u8, sourceLength: u8, tos: u8, table8: u8, action: u8, flags: u32 },
      {
        destination: ipText,
        source: ipText,
        inputName: name,
        priority: u32,
        mark: u32,
        suppressPrefixLength: u32,
        table: u32,
        markMask: u32,
        outputName: name,
        protocol: u8,
      },
    ),
  ],
  ["queueing discipline", qdiscMessage, qdisc],
  ["filter", filterMessage, filter],
];

testFormats(formats);

test("veth peers within veth peers, as deep as an attribute can hold, are read", () => {
  let link: Link = { name: "innermost" };
  const depth = 1_000;
  for (let i = 0; i < depth; i++) link = { info: { kind: "veth", veth: { peer: link } } };
  const written = encode(linkMessage, link);
  expect(written.length).toBeGreaterThan(40_000);
  let read: Link | undefined = linkMessage.read(written);
  for (let i = 0; i < depth; i++) read = read?.info?.veth?.peer;
  expect(read?.name).toBe("innermost");
});
