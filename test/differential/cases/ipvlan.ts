/** The configurations that the Go ipvlan and ours are compared by; few, as the machine that runs them is slow. */

import { type DifferentialCase, dual, fixed, type PluginCases, v4 } from "./case.ts";
import { onUplink, UP } from "./uplink.ts";

const cases: readonly DifferentialCase[] = [
  {
    name: "mode l2, dual stack with routes and mtu",
    given: UP,
    config: (host) => ({ mtu: 1400, ipam: dual(host, { routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }] }) }),
  },
  { name: "mode l3s", given: UP, config: (host) => ({ mode: "l3s", ipam: v4(host) }) },
  {
    name: "mode l3, the master of the default route, dns of IPAM",
    given: `${UP} && ip route add default dev up9`,
    config: () => ({
      mode: "l3",
      master: "",
      ipam: fixed({ address: "10.77.0.9/24" })({ dns: { nameservers: ["10.0.0.2"] } }),
    }),
  },
  {
    name: "master and addresses of the plugin before",
    given: UP,
    config: () => ({
      master: undefined,
      prevResult: {
        cniVersion: "1.1.0",
        interfaces: [{ name: "up9" }],
        ips: [{ address: "10.77.0.9/24", gateway: "10.77.0.1", interface: 0 }],
        routes: [{ dst: "0.0.0.0/0" }],
      },
    }),
  },
];

export const ipvlan = { plugin: "ipvlan", base: { type: "ipvlan", ...onUplink }, cases } as const satisfies PluginCases;
