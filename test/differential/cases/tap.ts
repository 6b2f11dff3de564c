/** The configurations that the Go tap and ours are compared by. */

import { type DifferentialCase, fixed, MAC, ofVersions, type PluginCases, v4 } from "./case.ts";

/** The Go plugin waits in vain for an IPv6 address with a gateway: a device that no program has open has no carrier. */
const dual = fixed({ address: "10.77.0.9/24", gateway: "10.77.0.1" }, { address: "fd77::9/64" });

const cases: readonly DifferentialCase[] = [
  { name: "no field", config: () => ({}) },
  { name: "an empty ipam section", config: () => ({ ipam: {} }) },
  { name: "IPv4", config: (host) => ({ ipam: v4(host, { routes: [{ dst: "0.0.0.0/0" }] }) }) },
  { name: "dual stack", config: () => ({ ipam: dual({ routes: [{ dst: "0.0.0.0/0" }, { dst: "10.80.0.0/16" }] }) }) },
  { name: "multiQueue", config: () => ({ multiQueue: true }) },
  { name: "mtu", config: () => ({ mtu: 1400 }) },
  { name: "mac", mac: MAC, config: () => ({ mac: MAC }) },
  {
    name: "mac by runtimeConfig",
    mac: MAC,
    config: () => ({ mac: "02:00:5e:00:53:02", runtimeConfig: { mac: MAC } }),
  },
  {
    name: "mac by CNI_ARGS",
    mac: MAC,
    args: `IgnoreUnknown=1;MAC=${MAC}`,
    config: () => ({ mac: "02:00:5e:00:53:02" }),
  },
  { name: "owner", config: () => ({ owner: 1000 }) },
  { name: "group", config: () => ({ group: 1000 }) },
  { name: "owner and group", config: () => ({ owner: 1000, group: 1001, mtu: 1400 }) },
  { name: "owner, group and mac", mac: MAC, config: () => ({ owner: 1000, group: 1001, mac: MAC }) },
  { name: "owner, group and multiQueue", config: () => ({ owner: 1000, group: 1001, multiQueue: true }) },
  {
    name: "bridge",
    givenInside: "ip link add br0 address 02:00:5e:00:53:0b type bridge",
    config: () => ({ bridge: "br0" }),
  },
  {
    name: "dns of the configuration",
    config: (host) => ({ dns: { nameservers: ["10.0.0.1"] }, ipam: v4(host) }),
  },
  {
    name: "dns of IPAM",
    config: () => ({ ipam: fixed({ address: "10.77.0.9/24" })({ dns: { nameservers: ["10.0.0.2"] } }) }),
  },
  ...ofVersions((host) => ({ ipam: v4(host, { routes: [{ dst: "10.80.0.0/16" }] }) })),
];

export const tap: PluginCases = { plugin: "tap", base: { type: "tap" }, cases };
