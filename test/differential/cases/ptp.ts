/** The configurations that the Go ptp and ours are compared by. */

import {
  type DifferentialCase,
  dual,
  fixed,
  GATEWAY_V4,
  GATEWAY_V6,
  OUTSIDE_V4,
  OUTSIDE_V6,
  ofVersions,
  type PluginCases,
  ranges,
  v4,
  v6,
} from "./case.ts";

const byDefault = [{ dst: "0.0.0.0/0" }, { dst: "::/0" }];

const cases: readonly DifferentialCase[] = [
  { name: "IPv4", config: (host) => ({ ipam: v4(host) }), reaches: [GATEWAY_V4], reachesNot: [OUTSIDE_V4] },
  { name: "IPv6", config: (host) => ({ ipam: v6(host) }), reaches: [GATEWAY_V6], reachesNot: [OUTSIDE_V6] },
  {
    name: "dual stack with default routes",
    config: (host) => ({ ipam: dual(host, { routes: byDefault }) }),
    reaches: [GATEWAY_V4, GATEWAY_V6],
    reachesNot: [OUTSIDE_V4],
  },
  {
    name: "routes by the gateway and by another one",
    config: (host) => ({
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
    name: "routes with all that a route can have",
    config: (host) => ({
      ipam: v4(host, {
        routes: [
          { dst: "10.80.0.0/16", priority: 7 },
          { dst: "10.82.0.0/16", mtu: 1300, advmss: 1200 },
        ],
      }),
    }),
  },
  {
    name: "a route in another table",
    config: (host) => ({ ipam: v4(host, { routes: [{ dst: "10.80.0.0/16", table: 100 }] }) }),
  },
  {
    name: "a gateway that is not the first address",
    config: (host) => ({ ipam: ranges([{ subnet: "10.77.0.0/24", gateway: "10.77.0.99" }])(host) }),
    reaches: ["10.77.0.99"],
  },
  {
    name: "a gateway beyond the network",
    config: () => ({ ipam: fixed({ address: "10.77.0.9/24", gateway: "192.168.1.1" })() }),
    reaches: ["192.168.1.1"],
  },
  {
    name: "addresses of two networks in each family",
    config: () => ({
      ipam: fixed(
        { address: "10.77.0.9/24", gateway: "10.77.0.1" },
        { address: "10.78.0.9/16", gateway: "10.78.0.1" },
        { address: "fd77::9/64", gateway: "fd77::1" },
        { address: "fd78::9/64", gateway: "fd78::1" },
      )({ routes: byDefault }),
    }),
    reaches: [GATEWAY_V4, "10.78.0.1", GATEWAY_V6, "fd78::1"],
  },
  {
    name: "ipMasq, IPv4",
    config: (host) => ({ ipMasq: true, ipMasqBackend: "nftables", ipam: v4(host, { routes: byDefault.slice(0, 1) }) }),
    reaches: [GATEWAY_V4, OUTSIDE_V4],
  },
  {
    name: "ipMasq, dual stack",
    config: (host) => ({ ipMasq: true, ipMasqBackend: "nftables", ipam: dual(host, { routes: byDefault }) }),
    reaches: [GATEWAY_V4, GATEWAY_V6, OUTSIDE_V4, OUTSIDE_V6],
  },
  { name: "mtu", config: (host) => ({ mtu: 1400, ipam: dual(host) }), reaches: [GATEWAY_V4] },
  {
    name: "dns of the configuration before that of IPAM",
    config: () => ({
      dns: { nameservers: ["10.0.0.1"] },
      ipam: fixed({ address: "10.77.0.9/24", gateway: "10.77.0.1" })({ dns: { nameservers: ["10.0.0.2"] } }),
    }),
  },
  {
    name: "dns of IPAM",
    config: () => ({
      ipam: fixed({ address: "10.77.0.9/24", gateway: "10.77.0.1" })({
        dns: { nameservers: ["10.0.0.2"], domain: "b.example", search: ["b.example"], options: ["ndots:3"] },
      }),
    }),
  },
  {
    name: "an address that CNI_ARGS asks for",
    args: "IgnoreUnknown=1;IP=10.77.0.44",
    config: (host) => ({ ipam: v4(host) }),
  },
  {
    name: "a MAC that the runtime asks for, which this plugin does not give",
    config: (host) => ({ ipam: v4(host), runtimeConfig: { mac: "02:00:5e:00:53:01" } }),
  },
  ...ofVersions((host) => ({
    ipam: dual(host, { routes: [...byDefault, { dst: "10.80.0.0/16" }] }),
    dns: { nameservers: ["10.77.0.1"], domain: "a.example", search: ["a.example"], options: ["ndots:2"] },
  })),
];

export const ptp: PluginCases = { plugin: "ptp", base: { type: "ptp" }, cases };
