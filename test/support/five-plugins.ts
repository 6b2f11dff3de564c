/** The chain of five plugins as operators have it, and what can be seen of each on a host and in a container. */

import { expect } from "bun:test";
import type { TestHost } from "./host.ts";

export interface ChainOptions {
  readonly interface: "bridge" | "ptp";
  /** For runtimes that hand over no rates. */
  readonly rates?: object;
}

export const RATE = 10_000_000;

export function fivePlugins({ interface: type, rates }: ChainOptions): readonly object[] {
  const ipam = {
    type: "host-local",
    ranges: [[{ subnet: "10.89.0.0/24" }], [{ subnet: "fd00:89::/64" }]],
    ...(type === "ptp" ? { routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }] } : {}),
  };
  const interfaces = {
    bridge: { type, bridge: "five0", isDefaultGateway: true, hairpinMode: true, ipMasq: true, ipam },
    ptp: { type, ipMasq: true, ipam },
  };
  return [
    interfaces[type],
    { type: "portmap", capabilities: { portMappings: true }, snat: true },
    { type: "bandwidth", capabilities: { bandwidth: true }, ...rates },
    { type: "firewall" },
    { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.log_martians": "1" } },
  ];
}

/** A host that forwards nothing it does not know, as Docker leaves it: firewall's part is to let containers pass. */
export function dropForwarded(host: TestHost): void {
  host.sh("iptables -P FORWARD DROP && ip6tables -P FORWARD DROP");
}

/** Demands that the rates hold both ways: at the node's end of the pair, and at the link that it redirects to. */
export function expectRates(host: TestHost): void {
  const qdiscs = host.json<{ kind: string; dev: string; options: { rate?: number } }>(["tc", "-j", "qdisc", "show"]);
  const limited = qdiscs.filter(({ kind }) => kind === "tbf");
  expect(limited.map(({ options }) => options.rate)).toEqual([RATE / 8, RATE / 8]);
}
