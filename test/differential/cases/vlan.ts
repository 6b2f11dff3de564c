/** The configurations that the Go vlan and ours are compared by; few, as the machine that runs them is slow. */

import { type DifferentialCase, dual, fixed, type PluginCases } from "./case.ts";
import { onUplink, UP } from "./uplink.ts";

const cases: readonly DifferentialCase[] = [
  {
    name: "dual stack with routes and mtu",
    given: UP,
    config: (host) => ({ vlanId: 5, mtu: 1400, ipam: dual(host, { routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }] }) }),
  },
  {
    name: "linkInContainer, no vlanId, dns of IPAM",
    givenInside: UP,
    config: () => ({
      linkInContainer: true,
      ipam: fixed({ address: "10.77.0.9/24" })({ dns: { nameservers: ["10.0.0.2"] } }),
    }),
  },
];

export const vlan = { plugin: "vlan", base: { type: "vlan", ...onUplink }, cases } as const satisfies PluginCases;
