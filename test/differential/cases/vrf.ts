/** Chains of bridge and vrf, by the Go plugins and by ours. */

import type { Config, Host } from "../../support/plugin-calls.ts";
import { type DifferentialCase, dual, type Fields, fixed, type PluginCases, v4 } from "./case.ts";

const configOf = (fields: Fields): Config => ({
  cniVersion: "1.1.0",
  name: "net",
  type: "vrf",
  vrfname: "red",
  ...fields,
});

/** The first VRF of a namespace gives it a rule for good. */
const givenInside = "ip link add red type vrf table 9 && ip link delete red";

function after(name: string, below: (host: Host) => Fields, fields: Fields = {}): DifferentialCase {
  return { name, givenInside, config: below, chained: () => [configOf(fields)] };
}

const cases: readonly DifferentialCase[] = [
  after("dual stack", (host) => ({ isDefaultGateway: true, ipam: dual(host) })),
  {
    ...after("a VRF that is there", (host) => ({ isDefaultGateway: true, ipam: v4(host) })),
    givenInside: "ip link add red address 02:00:5e:00:53:0c type vrf table 500 && ip link set red up",
  },
  after(
    "a table of its own, and a route with priority, of version 0.4.0",
    () => ({
      cniVersion: "0.4.0",
      ipam: fixed({ address: "10.77.0.9/24", gateway: "10.77.0.1" })({
        routes: [{ dst: "0.0.0.0/0" }, { dst: "10.80.0.0/16", priority: 7 }],
      }),
    }),
    { cniVersion: "0.4.0", table: 500 },
  ),
];

export const vrf = { plugin: "vrf", base: { type: "bridge", bridge: "br0" }, cases } as const satisfies PluginCases;
