/** The configurations that the Go bridge and ours are compared by: those of the reference's documentation, and more. */

import {
  type DifferentialCase,
  dual,
  fixed,
  GATEWAY_V4,
  GATEWAY_V6,
  MAC,
  OUTSIDE_V4,
  OUTSIDE_V6,
  ofVersions,
  type PluginCases,
  ranges,
  v4,
  v6,
} from "./case.ts";

/** A bridge whose MAC does not change with its ports. */
const EXISTING = "ip link add br0 address 02:00:00:00:00:77 type bridge; ip link set br0 up; sleep 0.1";

const cases: readonly DifferentialCase[] = [
  { name: "without IPAM", config: () => ({}) },
  { name: "without IPAM, with all flags of the gateway", config: () => ({ isDefaultGateway: true, ipMasq: true }) },
  { name: "an empty ipam section", config: () => ({ ipam: {} }) },
  { name: "host-local and no gateway", config: (host) => ({ ipam: v4(host) }) },
  { name: "isGateway", config: (host) => ({ isGateway: true, ipam: v4(host) }), reaches: [GATEWAY_V4] },
  {
    name: "isDefaultGateway, IPv4",
    config: (host) => ({ isDefaultGateway: true, ipam: v4(host) }),
    reaches: [GATEWAY_V4],
    reachesNot: [OUTSIDE_V4],
  },
  {
    name: "isDefaultGateway, IPv6",
    config: (host) => ({ isDefaultGateway: true, ipam: v6(host) }),
    reaches: [GATEWAY_V6],
    reachesNot: [OUTSIDE_V6],
  },
  {
    name: "isDefaultGateway, dual stack",
    config: (host) => ({ isDefaultGateway: true, ipam: dual(host) }),
    reaches: [GATEWAY_V4, GATEWAY_V6],
  },
  {
    name: "isDefaultGateway where IPAM gives a default route by another gateway",
    config: (host) => ({
      isDefaultGateway: true,
      ipam: v4(host, { routes: [{ dst: "0.0.0.0/0", gw: "10.77.0.9" }] }),
    }),
    reaches: [GATEWAY_V4],
  },
  {
    name: "isDefaultGateway where IPAM gives a default route without gateway",
    config: (host) => ({ isGateway: true, ipam: v4(host, { routes: [{ dst: "0.0.0.0/0" }] }) }),
    reaches: [GATEWAY_V4],
  },
  {
    name: "a gateway that is not the first address",
    config: (host) => ({
      isDefaultGateway: true,
      ipam: ranges([
        { subnet: "10.77.0.0/24", rangeStart: "10.77.0.10", rangeEnd: "10.77.0.20", gateway: "10.77.0.99" },
      ])(host),
    }),
    reaches: ["10.77.0.99"],
  },
  {
    name: "several ranges in a set and several sets",
    config: (host) => ({
      isDefaultGateway: true,
      ipam: ranges(
        [{ subnet: "10.77.0.0/24", rangeStart: "10.77.0.5" }, { subnet: "10.78.0.0/24" }],
        [{ subnet: "fd77::/64" }, { subnet: "fd78::/64" }],
      )(host),
    }),
    reaches: [GATEWAY_V4, GATEWAY_V6],
  },
  {
    name: "two IPv6 networks",
    config: (host) => ({
      isDefaultGateway: true,
      ipam: ranges([{ subnet: "fd77::/64" }], [{ subnet: "fd78::/64" }])(host),
    }),
    reaches: [GATEWAY_V6, "fd78::1"],
  },
  {
    name: "a host-local configuration of the old style",
    config: ({ dataDir }) => ({
      isGateway: true,
      ipam: {
        type: "host-local",
        dataDir,
        subnet: "10.77.0.0/24",
        rangeStart: "10.77.0.50",
        gateway: "10.77.0.254",
        routes: [{ dst: "0.0.0.0/0" }],
      },
    }),
    reaches: ["10.77.0.254"],
  },
  {
    name: "routes with and without gateway, in both families",
    config: (host) => ({
      isGateway: true,
      ipam: dual(host, {
        routes: [
          { dst: "10.80.0.0/16" },
          { dst: "10.81.0.0/16", gw: "10.77.0.254" },
          { dst: "fd80::/64" },
          { dst: "fd81::/64", gw: "fd77::fe" },
        ],
      }),
    }),
    reaches: [GATEWAY_V4, GATEWAY_V6],
  },
  {
    name: "two routes to one destination with different gateways",
    config: (host) => ({
      isGateway: true,
      ipam: v4(host, {
        routes: [
          { dst: "10.80.0.0/16", gw: "10.77.0.254" },
          { dst: "10.80.0.0/16", gw: "10.77.0.253" },
        ],
      }),
    }),
  },
  {
    name: "a route with priority",
    config: (host) => ({
      isGateway: true,
      ipam: dual(host, {
        routes: [
          { dst: "10.80.0.0/16", priority: 7 },
          { dst: "fd80::/64", priority: 9 },
        ],
      }),
    }),
  },
  {
    name: "a route in another table",
    config: (host) => ({ isGateway: true, ipam: v4(host, { routes: [{ dst: "10.80.0.0/16", table: 100 }] }) }),
  },
  {
    name: "a route with scope link",
    config: () => ({ ipam: fixed({ address: "10.77.0.9/24" })({ routes: [{ dst: "10.80.0.0/16", scope: 253 }] }) }),
  },
  {
    name: "a route with mtu and advmss",
    config: (host) => ({
      isGateway: true,
      ipam: v4(host, { routes: [{ dst: "10.80.0.0/16", mtu: 1300, advmss: 1200 }] }),
    }),
  },
  {
    name: "static addresses with gateways, routes and dns",
    config: () => ({
      isGateway: true,
      ipam: fixed(
        { address: "10.77.0.9/24", gateway: GATEWAY_V4 },
        { address: "fd77::9/64", gateway: GATEWAY_V6 },
      )({
        routes: [{ dst: "0.0.0.0/0" }, { dst: "10.81.0.0/16", gw: "10.77.0.254" }, { dst: "::/0" }],
        dns: { nameservers: [GATEWAY_V4], domain: "b.example", search: ["b.example"], options: ["ndots:3"] },
      }),
    }),
    reaches: [GATEWAY_V4, GATEWAY_V6],
  },
  {
    name: "static addresses without gateways",
    config: () => ({ ipam: fixed({ address: "10.77.0.9/24" }, { address: "fd77::9/64" })() }),
  },
  {
    name: "static addresses of the smallest networks",
    config: () => ({
      ipam: fixed({ address: "10.77.0.8/31" }, { address: "10.77.1.9/32" }, { address: "fd77::9/128" })(),
    }),
  },
  {
    name: "dns of the configuration before that of IPAM",
    config: () => ({
      dns: { nameservers: ["10.0.0.1"] },
      ipam: fixed({ address: "10.77.0.9/24" })({ dns: { nameservers: ["10.0.0.2"], domain: "b.example" } }),
    }),
  },
  {
    name: "an address that CNI_ARGS asks for",
    args: "IgnoreUnknown=1;IP=10.77.0.44",
    config: (host) => ({ isGateway: true, ipam: v4(host) }),
  },
  {
    name: "an address that the runtime asks for",
    config: (host) => ({ isGateway: true, ipam: v4(host), runtimeConfig: { ips: ["10.77.0.45"] } }),
  },
  {
    name: "ipMasq, IPv4",
    config: (host) => ({ isDefaultGateway: true, ipMasq: true, ipMasqBackend: "nftables", ipam: v4(host) }),
    reaches: [GATEWAY_V4, OUTSIDE_V4],
  },
  {
    name: "ipMasq, dual stack",
    config: (host) => ({ isDefaultGateway: true, ipMasq: true, ipMasqBackend: "nftables", ipam: dual(host) }),
    reaches: [GATEWAY_V4, GATEWAY_V6, OUTSIDE_V4, OUTSIDE_V6],
  },
  { name: "mtu", config: (host) => ({ isGateway: true, mtu: 1400, ipam: dual(host) }), reaches: [GATEWAY_V4] },
  { name: "hairpinMode", config: (host) => ({ isGateway: true, hairpinMode: true, ipam: v4(host) }) },
  { name: "promiscMode", config: (host) => ({ isGateway: true, promiscMode: true, ipam: v4(host) }) },
  { name: "portIsolation", config: (host) => ({ isGateway: true, portIsolation: true, ipam: v4(host) }) },
  {
    name: "mac by runtimeConfig",
    mac: MAC,
    config: (host) => ({ isGateway: true, ipam: dual(host), runtimeConfig: { mac: MAC } }),
  },
  {
    name: "mac by args.cni",
    mac: MAC,
    config: (host) => ({ isGateway: true, ipam: v4(host), args: { cni: { mac: MAC } } }),
  },
  {
    name: "mac by CNI_ARGS",
    mac: MAC,
    args: `IgnoreUnknown=1;MAC=${MAC}`,
    config: (host) => ({ isGateway: true, ipam: v4(host) }),
  },
  {
    name: "mac by all three",
    mac: MAC,
    args: "IgnoreUnknown=1;MAC=02:00:5e:00:53:03",
    config: (host) => ({
      ipam: v4(host),
      runtimeConfig: { mac: MAC },
      args: { cni: { mac: "02:00:5e:00:53:02" } },
    }),
  },
  {
    name: "macspoofchk",
    config: (host) => ({ isGateway: true, macspoofchk: true, ipam: v4(host) }),
    reaches: [GATEWAY_V4],
    spoofing: "stopped",
  },
  {
    name: "enabledad",
    config: (host) => ({ isDefaultGateway: true, enabledad: true, ipam: dual(host) }),
    reaches: [GATEWAY_V4, GATEWAY_V6],
  },
  { name: "disableContainerInterface", config: () => ({ disableContainerInterface: true }) },
  {
    name: "the bridge exists",
    given: EXISTING,
    config: (host) => ({ isDefaultGateway: true, ipam: dual(host) }),
    reaches: [GATEWAY_V4, GATEWAY_V6],
  },
  {
    name: "the bridge exists, is down and has no MAC of its own",
    given: "ip link add br0 type bridge",
    config: (host) => ({ isDefaultGateway: true, ipam: v4(host) }),
    reaches: [GATEWAY_V4],
  },
  {
    name: "the bridge exists without a MAC of its own, without IPAM",
    given: "ip link add br0 type bridge; ip link set br0 up",
    config: () => ({}),
  },
  {
    name: "the bridge exists with the gateway's addresses",
    given: `${EXISTING}; ip address add 10.77.0.1/24 brd + dev br0; ip address add fd77::1/64 dev br0 nodad`,
    config: (host) => ({ isDefaultGateway: true, ipam: dual(host) }),
    reaches: [GATEWAY_V4, GATEWAY_V6],
  },
  {
    name: "the bridge exists with another IPv6 network",
    given: `${EXISTING}; ip address add fd99::1/64 dev br0 nodad`,
    config: (host) => ({ isDefaultGateway: true, ipam: v6(host) }),
    reaches: [GATEWAY_V6],
  },
  {
    name: "forceAddress where the bridge has another address",
    given: `${EXISTING}; ip address add 10.77.0.9/24 brd + dev br0; ip address add 10.66.0.1/16 brd + dev br0`,
    config: (host) => ({ isDefaultGateway: true, forceAddress: true, ipam: v4(host) }),
    reaches: [GATEWAY_V4],
  },
  {
    name: "forceAddress where the bridge has another IPv6 address in an overlapping network",
    given: `${EXISTING}; ip address add fd77::99/48 dev br0 nodad`,
    config: (host) => ({ isDefaultGateway: true, forceAddress: true, ipam: v6(host) }),
    reaches: [GATEWAY_V6],
  },
  {
    name: "vlan 0 and an empty list of trunks",
    config: (host) => ({ isGateway: true, vlan: 0, vlanTrunk: null, ipam: v4(host) }),
  },
  {
    name: "fields whose names differ in case, and unknown ones",
    config: (host) => ({ ISGATEWAY: true, Mtu: 1300, somethingElse: { a: 1 }, ipam: v4(host) }),
  },
  ...ofVersions((host) => ({
    isDefaultGateway: true,
    ipam: dual(host, { routes: [{ dst: "10.80.0.0/16" }, { dst: "10.81.0.0/16", gw: "10.77.0.254" }] }),
    dns: { nameservers: ["10.77.0.1"], domain: "a.example", search: ["a.example"], options: ["ndots:2"] },
  })),
];

export const bridge: PluginCases = { plugin: "bridge", base: { type: "bridge", bridge: "br0" }, cases };
