/**
 * Chains of bridge and portmap, by the Go plugins and by ours: results, kernel parameters and verdicts. Who reaches
 * a port is compared in `test/plugins/portmap.interop.test.ts`.
 */

import { program } from "../../support/needs.ts";
import type { Config } from "../../support/plugin-calls.ts";
import { type DifferentialCase, dual, type Fields, fixed, GATEWAY_V4, type PluginCases, v4, v6 } from "./case.ts";

const WEB = { hostPort: 8080, containerPort: 80, protocol: "tcp" };
const DNS = { hostPort: 8080, containerPort: 53, protocol: "udp" };

/** A bridge, then portmap with the fields. */
function after(name: string, portMappings: unknown, fields: Fields = {}, first: Fields = {}): DifferentialCase {
  const { cniVersion = "1.1.0" } = fields;
  return {
    name,
    config: (host) => ({ ipam: dual(host), isDefaultGateway: true, cniVersion, ...first }),
    chained: (): Config[] => [
      { name: "net", type: "portmap", cniVersion, runtimeConfig: { portMappings }, ...fields } as Config,
    ],
    reaches: [GATEWAY_V4],
  };
}

const cases: readonly DifferentialCase[] = [
  after("no ports", []),
  after("ports that are null", null),
  after("no runtimeConfig", [], { runtimeConfig: undefined }),
  after("a port of each protocol", [WEB, DNS, { ...WEB, protocol: "sctp" }]),
  after("a protocol in capitals", [{ ...WEB, protocol: "TCP" }]),
  after("given addresses", [
    { ...WEB, hostIP: GATEWAY_V4 },
    { ...DNS, hostIP: "fd77::1" },
    { ...WEB, hostPort: 81, hostIP: "" },
  ]),
  after("unspecified addresses", [
    { ...WEB, hostIP: "0.0.0.0" },
    { ...DNS, hostIP: "::" },
  ]),
  { ...after("ports of IPv4 only", [WEB]), config: (host) => ({ ipam: v4(host), isDefaultGateway: true }) },
  {
    ...after("ports of IPv6 only", [WEB]),
    config: (host) => ({ ipam: v6(host), isDefaultGateway: true }),
    reaches: [],
  },
  {
    ...after("no addresses without IPAM", [WEB]),
    config: () => ({ ipam: {} }),
    reaches: [],
  },
  {
    ...after("several addresses", [WEB]),
    config: () => ({ isGateway: true, ipam: fixed({ address: "10.77.0.5/24" }, { address: "10.77.0.6/24" })() }),
  },
  after("snat off", [WEB], { snat: false }),
  after("masqAll", [WEB], { masqAll: true }),
  after("a mark's bit", [WEB], { markMasqBit: 20 }),
  after("conditions", [WEB], { conditionsV4: ["!", "-d", "192.0.2.0/24"], conditionsV6: ["!", "-d", "fc00::/7"] }),
  after("backend iptables", [WEB], { backend: "iptables" }),
  after("backend nftables", [WEB, DNS], { backend: "nftables" }),
  after("backend nftables with conditions", [WEB], { backend: "nftables", conditionsV4: ["ip daddr != 192.0.2.1"] }),
  after(
    "twenty ports",
    Array.from({ length: 20 }, (_, i) => ({ ...WEB, hostPort: 9000 + i })),
  ),
  after("cniVersion 0.4.0", [WEB], { cniVersion: "0.4.0" }),
  after("cniVersion 0.3.1", [WEB], { cniVersion: "0.3.1" }),
  after("cniVersion 0.2.0", [WEB], { cniVersion: "0.2.0" }),
];

export const portmap: PluginCases = {
  plugin: "portmap",
  base: { type: "bridge", bridge: "br0" },
  needs: [program("iptables"), program("ip6tables")],
  cases,
};
