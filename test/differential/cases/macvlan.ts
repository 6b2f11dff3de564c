/** The configurations that the Go macvlan and ours are compared by. */

import { kernelLink } from "../../support/kernel.ts";
import { type DifferentialCase, dual, fixed, MAC, ofVersions, type PluginCases, v4, v6 } from "./case.ts";
import { onUplink, UP, uplink } from "./uplink.ts";

/** The master's own end of the wire cannot be reached; what hangs at its other end can. */
const OPPOSITE_V4 = "10.77.0.200";
const OPPOSITE_V6 = "fd77::200";
const withOpposite = `${UP} && ip address add ${OPPOSITE_V4}/24 dev far-up9 && ip address add ${OPPOSITE_V6}/64 dev far-up9 nodad`;

const modes = ["bridge", "private", "vepa", "passthru"].flatMap((mode): DifferentialCase[] => [
  { name: `mode ${mode}`, given: UP, config: (host) => ({ mode, ipam: v4(host) }) },
  { name: `mode ${mode} without IPAM`, given: UP, config: () => ({ mode }) },
]);

const cases: readonly DifferentialCase[] = [
  { name: "IPv4", given: withOpposite, config: (host) => ({ ipam: v4(host) }), reaches: [OPPOSITE_V4] },
  { name: "IPv6", given: withOpposite, config: (host) => ({ ipam: v6(host) }), reaches: [OPPOSITE_V6] },
  {
    name: "dual stack with routes",
    given: withOpposite,
    config: (host) => ({
      ipam: dual(host, {
        routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }, { dst: "10.81.0.0/16", gw: "10.77.0.254" }],
      }),
    }),
    reaches: [OPPOSITE_V4, OPPOSITE_V6],
  },
  ...modes,
  { name: "an empty mode", given: UP, config: (host) => ({ mode: "", ipam: v4(host) }) },
  { name: "an empty ipam section", given: UP, config: () => ({ ipam: {} }) },
  { name: "mtu", given: UP, config: (host) => ({ mtu: 1400, ipam: dual(host) }) },
  {
    name: "the mtu of a master that has less than others",
    given: `${UP} && ip link set up9 mtu 1300`,
    config: (host) => ({ ipam: v4(host) }),
  },
  { name: "bcqueuelen", given: UP, config: (host) => ({ bcqueuelen: 2000, ipam: v4(host) }) },
  { name: "bcqueuelen 0", given: UP, config: (host) => ({ bcqueuelen: 0, ipam: v4(host) }) },
  { name: "mac", given: UP, mac: MAC, config: (host) => ({ mac: MAC, ipam: v4(host) }) },
  {
    name: "mac by runtimeConfig",
    given: UP,
    mac: MAC,
    config: (host) => ({ mac: "02:00:5e:00:53:02", runtimeConfig: { mac: MAC }, ipam: v4(host) }),
  },
  {
    name: "mac by CNI_ARGS",
    given: UP,
    mac: MAC,
    args: `IgnoreUnknown=1;MAC=${MAC}`,
    config: (host) => ({ mac: "02:00:5e:00:53:02", ipam: v4(host) }),
  },
  {
    name: "mac by all, without IPAM",
    given: UP,
    mac: MAC,
    args: "IgnoreUnknown=1;MAC=02:00:5e:00:53:03",
    config: () => ({ mac: "02:00:5e:00:53:02", runtimeConfig: { mac: MAC } }),
  },
  {
    name: "mac in mode passthru",
    given: UP,
    mac: MAC,
    config: (host) => ({ mode: "passthru", mac: MAC, ipam: v4(host) }),
  },
  {
    name: "mac by args.cni",
    given: UP,
    mac: MAC,
    config: (host) => ({ mac: "02:00:5e:00:53:02", args: { cni: { mac: MAC } }, ipam: v4(host) }),
  },
  {
    name: "the master of the default route",
    given: `${UP}; ${uplink("up8", 1)}; ip address add 198.51.100.1/24 dev up9
      ip route add default via 198.51.100.2 dev up9 metric 5; ip route add default dev up8 metric 9`,
    config: (host) => ({ master: "", ipam: v4(host) }),
  },
  {
    name: "the master of the default route of IPv6",
    given: `${UP}; ip -6 route add default dev up9`,
    config: () => ({ master: undefined }),
  },
  {
    name: "linkInContainer",
    givenInside: UP,
    config: (host) => ({ linkInContainer: true, ipam: v4(host) }),
  },
  {
    name: "linkInContainer and the container's default route",
    givenInside: `${UP}; ip route add default dev up9`,
    config: () => ({ linkInContainer: true, master: undefined }),
  },
  {
    name: "a host that has a link of the container's interface's name",
    given: `${UP}; ip link add eth0 address 02:00:00:00:00:66 type veth peer name eth1 address 02:00:00:00:00:67`,
    config: (host) => ({ ipam: v4(host) }),
  },
  {
    name: "static addresses without gateways",
    given: UP,
    config: () => ({ ipam: fixed({ address: "10.77.0.9/24" }, { address: "fd77::9/64" })() }),
  },
  {
    name: "dns of IPAM",
    given: UP,
    config: () => ({ ipam: fixed({ address: "10.77.0.9/24" })({ dns: { nameservers: ["10.0.0.2"] } }) }),
  },
  {
    name: "dns of the configuration before that of IPAM",
    given: UP,
    config: () => ({
      dns: { nameservers: ["10.0.0.1"] },
      ipam: fixed({ address: "10.77.0.9/24" })({ dns: { nameservers: ["10.0.0.2"] } }),
    }),
  },
  {
    name: "a route in another table",
    given: UP,
    config: (host) => ({ ipam: v4(host, { routes: [{ dst: "10.80.0.0/16", table: 100 }] }) }),
  },
  {
    name: "fields whose names differ in case",
    given: UP,
    config: (host) => ({ MODE: "private", Mtu: 1300, ipam: v4(host) }),
  },
  ...ofVersions((host) => ({
    ipam: dual(host, { routes: [{ dst: "0.0.0.0/0" }] }),
    dns: { nameservers: ["10.77.0.1"], domain: "a.example", search: ["a.example"], options: ["ndots:2"] },
  })).map((each) => ({ ...each, given: UP })),
];

export const macvlan: PluginCases = {
  plugin: "macvlan",
  base: { type: "macvlan", ...onUplink },
  cases,
  needs: [kernelLink("macvlan")],
};
