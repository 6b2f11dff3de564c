/** The subjects of the project's own runs: each standard plugin, with a configuration that shows all of its work. */

import type { Mishap, PluginConfig, Subject } from "./subject.ts";

const RANGES = [[{ subnet: "10.77.0.0/24" }], [{ subnet: "fd77::/64" }]];
const DEFAULTS = [{ dst: "0.0.0.0/0" }, { dst: "::/0" }];

/** With a route by another gateway of the subnet. */
const hostLocal = {
  type: "host-local",
  ranges: RANGES,
  routes: [...DEFAULTS, { dst: "10.88.0.0/16", gw: "10.77.0.254" }],
};

/** One address, so that the second attachment finds none. */
const exhausted = {
  what: "no address is left",
  sh: ":",
  attachments: 1,
  config: {
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: "10.78.0.0/24", rangeStart: "10.78.0.9", rangeEnd: "10.78.0.9" }]],
    },
  },
};

const noMaster = { what: "there is no such master", sh: ":", config: { master: "none0" } };

const onNode = (what: string, sh: string) => ({ what, sh, where: "node" as const });
const inContainer = (what: string, sh: string) => ({ what, sh, where: "container" as const });

const rulesLost = onNode("the rules of nf_tables are gone", "nft flush ruleset");
const leaseLost = onNode("the lease is lost", "rm /var/lib/cni/networks/net/[0-9f]*");
const interfaceDown = inContainer("the interface is down", "ip link set eth0 down");

const wrongIpam = [
  { ipam: 7 },
  { ipam: { type: "host-local", ranges: [[{ subnet: "10.77.0.0" }]] } },
  { ipam: { type: "host-local", ranges: "10.77.0.0/24" } },
  { ipam: { type: "static", addresses: [{ address: "10.77.0.9" }] } },
];

const plainBridge: PluginConfig = { type: "bridge", bridge: "br0", isGateway: true, ipam: hostLocal };

/** A link of the node on which others can be made. */
const UPLINK = "ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up";

/** As many devices as a requirement has containers. A veth pair, unlike a network card, goes with its namespace. */
const DEVICES = "seq 0 39 | sed 's/.*/link add dev& type veth peer name peer&/' | ip -batch -";
const DEVICE_DIES = "a device of the test goes with its namespace, as a network card does not";

const interfaces: readonly Subject[] = [
  {
    name: "bridge",
    kind: "interface",
    plugins: [{ ...plainBridge, ipMasq: true }],
    obstacles: [
      exhausted,
      {
        what: "the bridge's name is another link's",
        sh: "ip link add br7 type veth peer name other7",
        config: { bridge: "br7" },
      },
    ],
    damages: [
      rulesLost,
      onNode("the bridge is down", "ip link set br0 down"),
      onNode("the bridge is gone", "ip link delete br0"),
      leaseLost,
    ],
    wrong: [{ bridge: 7 }, { mtu: "x" }, { isGateway: "yes" }, { hairpinMode: true, promiscMode: true }, ...wrongIpam],
  },
  {
    name: "tendril",
    kind: "interface",
    plugins: [{ type: "tendril", ipMasq: true, ipam: { ...hostLocal, routes: DEFAULTS } }],
    obstacles: [exhausted],
    damages: [
      rulesLost,
      onNode("the node's route is gone", "ip route flush root 10.77.0.0/24"),
      inContainer("the way to the gateway is forgotten", "ip neighbour flush dev eth0 nud permanent"),
      leaseLost,
    ],
    wrong: [{ mtu: "x" }, { ipMasq: "yes" }, { mode: "ether" }, { bridge: 7 }, ...wrongIpam],
    exempt: {
      "delegate-undone": "whatever gateway a route has, it is the plugin's own",
    },
  },
  {
    name: "ptp",
    kind: "interface",
    plugins: [{ type: "ptp", ipMasq: true, ipam: { ...hostLocal, routes: DEFAULTS } }],
    obstacles: [exhausted],
    damages: [rulesLost, onNode("the node's route is gone", "ip route flush root 10.77.0.0/24"), leaseLost],
    wrong: [{ mtu: "x" }, { ipMasq: "yes" }, { ipam: undefined }, ...wrongIpam],
  },
  {
    name: "macvlan",
    kind: "interface",
    given: UPLINK,
    plugins: [{ type: "macvlan", master: "up0", mode: "bridge", ipam: hostLocal }],
    obstacles: [exhausted, noMaster],
    damages: [interfaceDown, leaseLost],
    wrong: [{ master: 7 }, { mode: "x" }, { mtu: -1 }, { mtu: "x" }, ...wrongIpam],
  },
  {
    name: "ipvlan",
    kind: "interface",
    link: "ipvlan",
    given: UPLINK,
    plugins: [{ type: "ipvlan", master: "up0", mode: "l2", ipam: hostLocal }],
    obstacles: [exhausted, noMaster],
    damages: [interfaceDown, leaseLost],
    wrong: [{ master: 7 }, { mode: "x" }, { mtu: "x" }, ...wrongIpam],
  },
  {
    name: "vlan",
    kind: "interface",
    link: "vlan",
    given: UPLINK,
    plugins: [{ type: "vlan", master: "up0", ipam: hostLocal }],
    forContainer: (number) => ({ vlanId: 5 + number }),
    obstacles: [exhausted, noMaster],
    damages: [interfaceDown, leaseLost],
    wrong: [{ master: 7 }, { vlanId: 4095 }, { vlanId: "5" }, { mtu: "x" }, ...wrongIpam],
  },
  {
    name: "host-device",
    kind: "interface",
    given: DEVICES,
    plugins: [{ type: "host-device", ipam: hostLocal }],
    forContainer: (number) => ({ device: `dev${number}` }),
    // A device that is not there may be in a container, and come back.
    obstacles: [exhausted],
    damages: [interfaceDown, leaseLost],
    wrong: [{ device: 7 }, { device: undefined }, { hwaddr: "zz", device: undefined }, ...wrongIpam],
    exempt: {
      "del-namespace-gone-without": DEVICE_DIES,
      "del-namespace-gone-empty": DEVICE_DIES,
      "del-namespace-gone-stale": DEVICE_DIES,
      "del-interface-gone": "the device itself is gone then",
      "gc-removes-stale": DEVICE_DIES,
      "gc-empty-list": DEVICE_DIES,
      "gc-by-interface": "the device itself is gone then",
    },
  },
  {
    name: "dummy",
    kind: "interface",
    link: "dummy",
    plugins: [{ type: "dummy", ipam: { type: "host-local", ranges: RANGES, routes: [{ dst: "10.88.0.0/16" }] } }],
    obstacles: [exhausted],
    damages: [interfaceDown, leaseLost],
    wrong: [{ ipam: undefined }, ...wrongIpam],
  },
  {
    name: "tap",
    kind: "interface",
    plugins: [{ type: "tap", multiQueue: true, ipam: hostLocal }],
    obstacles: [exhausted],
    damages: [interfaceDown, leaseLost],
    wrong: [{ mac: "zz" }, { mtu: "x" }, { multiQueue: "yes" }, { owner: "x" }, ...wrongIpam],
  },
  {
    name: "loopback",
    kind: "interface",
    ifname: "lo",
    interfaceIsThere: true,
    plugins: [{ type: "loopback" }],
    damages: [inContainer("the interface is down", "ip link set lo down")],
  },
];

/** All veth pairs of the node. */
const VETHS = "$(ip -o link show type veth | cut -d: -f2 | cut -d@ -f1)";

const qdiscLost: Mishap & { readonly where: "node" } = onNode(
  "the node's queueing discipline is gone",
  `for link in ${VETHS}; do tc qdisc delete dev $link root 2>/dev/null; done`,
);

const chained: readonly Subject[] = [
  {
    name: "portmap",
    kind: "chained",
    plugins: [plainBridge, { type: "portmap", snat: true, capabilities: { portMappings: true } }],
    capabilities: (number) => ({
      portMappings: [
        { hostPort: 8000 + number, containerPort: 80, protocol: "tcp" },
        { hostPort: 8000 + number, containerPort: 53, protocol: "udp" },
      ],
    }),
    damages: [rulesLost],
    wrong: [
      { snat: "yes" },
      { conditionsV4: 7 },
      { markMasqBit: 32 },
      { backend: "x" },
      { runtimeConfig: { portMappings: [{ hostPort: 70_000, containerPort: 80, protocol: "tcp" }] } },
      { runtimeConfig: { portMappings: [{ hostPort: 7000, containerPort: 0, protocol: "tcp" }] } },
      { runtimeConfig: { portMappings: [{ hostPort: 7000, containerPort: 80, protocol: "x" }] } },
    ],
  },
  {
    name: "bandwidth",
    kind: "chained",
    plugins: [
      plainBridge,
      {
        type: "bandwidth",
        ingressRate: 8_000_000,
        ingressBurst: 800_000,
        egressRate: 8_000_000,
        egressBurst: 800_000,
      },
    ],
    damages: [qdiscLost],
    wrong: [{ ingressRate: "x" }, { ingressRate: -1 }, { ingressBurst: 0 }, { runtimeConfig: { bandwidth: "x" } }],
  },
  {
    name: "firewall",
    kind: "chained",
    plugins: [plainBridge, { type: "firewall", ingressPolicy: "same-bridge" }],
    damages: [rulesLost],
    wrong: [{ backend: "x" }, { ingressPolicy: "x" }, { iptablesAdminChainName: 7 }],
  },
  {
    name: "tuning",
    kind: "chained",
    plugins: [
      plainBridge,
      {
        type: "tuning",
        mtu: 1400,
        promisc: true,
        mac: "02:00:5e:00:53:01",
        sysctl: { "net.ipv4.conf.IFNAME.log_martians": "1" },
      },
    ],
    damages: [
      inContainer("the MTU is another one", "ip link set eth0 mtu 1300"),
      inContainer("the parameter is another one", "echo 0 >/proc/sys/net/ipv4/conf/eth0/log_martians"),
      inContainer("the MAC is another one", "ip link set eth0 address 02:00:5e:00:53:99"),
    ],
    wrong: [{ mtu: "x" }, { sysctl: 7 }, { mac: "zz" }, { promisc: "yes" }, { sysctl: { "kernel.shmmax": "1" } }],
  },
  {
    name: "sbr",
    kind: "chained",
    plugins: [plainBridge, { type: "sbr" }],
    damages: [inContainer("the rules are gone", "ip rule flush; ip rule add table main; ip rule add table default")],
    wrong: [{ table: "x" }, { table: -1 }],
  },
  {
    name: "vrf",
    kind: "chained",
    link: "vrf",
    plugins: [plainBridge, { type: "vrf", vrfname: "blue" }],
    damages: [inContainer("the interface is in no VRF", "ip link set eth0 nomaster")],
    wrong: [{ vrfname: 7 }, { vrfname: undefined }, { table: "x" }],
  },
];

const ipams: readonly Subject[] = [
  {
    name: "host-local",
    kind: "ipam",
    plugins: [{ type: "bridge", ipam: hostLocal }],
    obstacles: [exhausted],
    damages: [leaseLost],
    wrong: [
      ...wrongIpam.slice(0, 3),
      { ipam: { type: "host-local", ranges: [[{ subnet: "10.77.0.0/24", rangeStart: "10.78.0.1" }]] } },
      { ipam: { type: "host-local", ranges: [[{ subnet: "10.77.0.0/32" }]] } },
    ],
  },
  {
    name: "static",
    kind: "ipam",
    plugins: [
      {
        type: "bridge",
        ipam: {
          type: "static",
          addresses: [{ address: "10.77.0.9/24", gateway: "10.77.0.1" }, { address: "fd77::9/64" }],
          routes: [{ dst: "0.0.0.0/0" }],
          dns: { nameservers: ["10.77.0.1"] },
        },
      },
    ],
    wrong: [
      { ipam: 7 },
      { ipam: { type: "static", addresses: [{ address: "10.77.0.9" }] } },
      { ipam: { type: "static", addresses: "10.77.0.9/24" } },
      { ipam: { type: "static", addresses: [{ address: "10.77.0.9/24" }], routes: [{ dst: "x" }] } },
    ],
  },
];

export const subjects: readonly Subject[] = [...interfaces, ...chained, ...ipams];
