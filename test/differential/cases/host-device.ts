/** The configurations that the Go host-device and ours are compared by. */

import { type DifferentialCase, dual, fixed, ofVersions, type PluginCases, v4, v6 } from "./case.ts";

const MAC = "02:00:5e:00:53:0a";

/** A device of the host, and what is at its other end. */
const given = `ip link add ens0 address ${MAC} type veth peer name wire0 address 02:00:5e:00:53:0b
  ip link set ens0 mtu 1400 txqueuelen 77 && ip link set wire0 up
  ip address add 10.77.0.1/24 dev wire0 && ip address add fd77::1/64 dev wire0 nodad`;

const byDefault = [{ dst: "0.0.0.0/0" }, { dst: "::/0" }];

const cases: readonly DifferentialCase[] = [
  { name: "a device by its name", config: () => ({ device: "ens0" }) },
  { name: "a device by its MAC", config: () => ({ hwaddr: MAC }) },
  { name: "a device by its MAC in another notation", config: () => ({ hwaddr: "02-00-5E-00-53-0A" }) },
  { name: "a name goes before a MAC", config: () => ({ device: "ens0", hwaddr: "02:00:5e:00:53:0b" }) },
  { name: "a MAC goes before a path", config: () => ({ hwaddr: MAC, kernelpath: "/sys/devices/there/is/none" }) },
  { name: "IPv4", config: (host) => ({ device: "ens0", ipam: v4(host) }), reaches: ["10.77.0.1"] },
  { name: "IPv6", config: (host) => ({ device: "ens0", ipam: v6(host) }), reaches: ["fd77::1"] },
  {
    name: "dual stack with default routes",
    config: (host) => ({ device: "ens0", ipam: dual(host, { routes: byDefault }) }),
    reaches: ["10.77.0.1", "fd77::1"],
  },
  {
    name: "routes with all that a route can have",
    config: (host) => ({
      device: "ens0",
      ipam: v4(host, {
        routes: [
          { dst: "10.80.0.0/16", priority: 7 },
          { dst: "10.81.0.0/16", table: 100 },
          { dst: "10.82.0.0/16", mtu: 1300, advmss: 1200 },
        ],
      }),
    }),
  },
  {
    name: "dns of the configuration",
    config: () => ({
      device: "ens0",
      dns: { nameservers: ["10.0.0.1"] },
      ipam: fixed({ address: "10.77.0.9/24" })({ dns: { nameservers: ["10.0.0.2"] } }),
    }),
  },
  {
    name: "dns of IPAM",
    config: () => ({
      device: "ens0",
      ipam: fixed({ address: "10.77.0.9/24" })({ dns: { nameservers: ["10.0.0.2"] } }),
    }),
  },
  {
    name: "a device that was up",
    config: () => ({ device: "ens0" }),
    given: `${given}; ip link set ens0 up; sleep 0.1`,
  },
  ...ofVersions((host) => ({ device: "ens0", ipam: dual(host, { routes: [{ dst: "10.80.0.0/16" }] }) })),
];

export const hostDevice: PluginCases = {
  plugin: "host-device",
  base: { type: "host-device" },
  cases: cases.map((each) => ({ given, ...each })),
};
