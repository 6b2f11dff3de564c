/** The configurations that the Go dummy and ours are compared by; few, as the machine that runs them is slow. */

import { type DifferentialCase, fixed, type PluginCases } from "./case.ts";

const cases: readonly DifferentialCase[] = [
  {
    name: "dual stack with routes, dns of IPAM",
    config: () => ({
      ipam: fixed(
        { address: "10.77.0.9/24", gateway: "10.77.0.1" },
        { address: "fd77::9/64" },
      )({
        routes: [{ dst: "10.80.0.0/16" }],
        dns: { nameservers: ["10.0.0.2"] },
      }),
    }),
  },
];

export const dummy = { plugin: "dummy", base: { type: "dummy" }, cases } as const satisfies PluginCases;
