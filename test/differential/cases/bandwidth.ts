/** Chains of bridge and bandwidth, by the Go plugins and by ours. */

import { program } from "../../support/needs.ts";
import type { Config } from "../../support/plugin-calls.ts";
import { type DifferentialCase, type Fields, GATEWAY_V4, type PluginCases, v4 } from "./case.ts";

/** A bridge, then bandwidth with the fields. */
function after(name: string, fields: Fields, bridge: Fields = {}): DifferentialCase {
  const { cniVersion = "1.1.0" } = fields;
  return {
    name,
    // Without IPAM the Go bridge's CHECK fails, and nobody asks bandwidth.
    config: (host) => ({ ipam: v4(host), isGateway: true, cniVersion, ...bridge }),
    chained: (): Config[] => [{ name: "net", type: "bandwidth", cniVersion, ...fields }],
    reaches: [GATEWAY_V4],
  };
}

const inwards = { ingressRate: 100_000_000, ingressBurst: 1_000_000 };
const outwards = { egressRate: 20_000_000, egressBurst: 800_000 };
const both = { ...inwards, ...outwards };

const cases: readonly DifferentialCase[] = [
  after("no field", {}),
  after("rates of 0", { ingressRate: 0, ingressBurst: 0, egressRate: 0, egressBurst: 0 }),
  after("ingress", inwards),
  after("egress", outwards),
  after("both", both),
  after("both, one of them 0", { ...both, ingressRate: 0, ingressBurst: 0 }),
  after("by runtimeConfig", { runtimeConfig: { bandwidth: both } }),
  after("the fields before runtimeConfig", { ...inwards, runtimeConfig: { bandwidth: outwards } }),
  after("an empty runtimeConfig", { runtimeConfig: { bandwidth: {} } }),
  after("of an interface with another MTU", both, { mtu: 1400 }),
  after("more than 32 bits of bytes", { ingressRate: 40_000_000_000, ingressBurst: 80_000_000 }),
  after("numbers that are no whole bytes", { ingressRate: 99_999_999, ingressBurst: 999_999 }),
  after("a burst that lasts longer than the kernel's clock tells", {
    ingressRate: 10_000_000,
    ingressBurst: 4_294_967_295,
  }),
  after("a burst smaller than a frame", { ingressRate: 8_000_000, ingressBurst: 4560 }),
  ...["0.3.0", "0.3.1", "0.4.0", "1.0.0"].map((cniVersion) =>
    after(`cniVersion ${cniVersion}`, { ...both, cniVersion }),
  ),
];

export const bandwidth: PluginCases = {
  plugin: "bandwidth",
  base: { type: "bridge", bridge: "br0" },
  cases,
  needs: [program("tc")],
};
