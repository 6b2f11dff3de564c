/** Chains of bridge and sbr, by the Go plugins and by ours. */

import type { Config, Host } from "../../support/plugin-calls.ts";
import { type DifferentialCase, dual, type Fields, fixed, GATEWAY_V4, type PluginCases, v4, v6 } from "./case.ts";

const configOf = (fields: Fields): Config => ({ cniVersion: "1.1.0", name: "net", type: "sbr", ...fields });

function after(name: string, below: (host: Host) => Fields, fields: Fields = {}): DifferentialCase {
  return { name, config: below, chained: () => [configOf(fields)] };
}

const cases: readonly DifferentialCase[] = [
  { ...after("IPv4", (host) => ({ isDefaultGateway: true, ipam: v4(host) })), reachesNot: [GATEWAY_V4] },
  after("IPv6", (host) => ({ isDefaultGateway: true, ipam: v6(host) })),
  after("dual stack", (host) => ({ isDefaultGateway: true, ipam: dual(host) })),
  after("without a gateway", (host) => ({ ipam: v4(host) })),
  after("routes by gateways of two networks", () => ({
    ipam: fixed(
      { address: "10.77.0.9/24", gateway: "10.77.0.1" },
      { address: "10.78.0.9/24", gateway: "10.78.0.1" },
    )({
      routes: [
        { dst: "0.0.0.0/0" },
        { dst: "10.80.0.0/16", gw: "10.77.0.7" },
        { dst: "10.81.0.0/16", gw: "10.78.0.7" },
        { dst: "10.82.0.0/16", gw: "10.77.0.7", priority: 7 },
      ],
    }),
  })),
  after("two addresses of one network", () => ({
    ipam: fixed({ address: "10.77.0.9/24", gateway: "10.77.0.1" }, { address: "10.77.0.10/24" })(),
  })),
  after("a table of its own", (host) => ({ isDefaultGateway: true, ipam: dual(host) }), { table: 5001 }),
  after(
    "a table that the routes are in already",
    (host) => ({ ipam: v4(host, { routes: [{ dst: "0.0.0.0/0", gw: "10.77.0.1", table: 5001 }] }) }),
    { table: 5001 },
  ),
  {
    ...after("other rules", (host) => ({ isDefaultGateway: true, ipam: v4(host) })),
    givenInside: "ip rule add from 10.9.9.9 lookup 100 && ip rule add from 10.9.9.8 lookup 101 priority 500",
  },
  after("cniVersion 0.4.0", (host) => ({ cniVersion: "0.4.0", isDefaultGateway: true, ipam: v4(host) }), {
    cniVersion: "0.4.0",
  }),
  after("cniVersion 0.3.1", (host) => ({ cniVersion: "0.3.1", isDefaultGateway: true, ipam: v4(host) }), {
    cniVersion: "0.3.1",
  }),
];

export const sbr: PluginCases = { plugin: "sbr", base: { type: "bridge", bridge: "br0" }, cases };
