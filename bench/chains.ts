/** The configurations that are measured. */

import type { Chain, ChainPlugin } from "./chain.ts";

const bridge: ChainPlugin = {
  type: "bridge",
  bridge: "bench0",
  isDefaultGateway: true,
  ipam: { type: "host-local", ranges: [[{ subnet: "10.200.0.0/16" }]] },
};

/** The bridge plugin with host-local. */
export function bridgeChain(more: object = {}): Chain {
  return { plugins: [{ ...bridge, ...more }] };
}

/** Each pod has host ports of its own. */
export const fivePlugins: Chain = {
  plugins: [
    { ...bridge, ipMasq: true },
    { type: "portmap", snat: true, capabilities: { portMappings: true } },
    { type: "bandwidth", capabilities: { bandwidth: true } },
    { type: "firewall" },
    { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.arp_notify": "1" } },
  ],
  capabilities: (number) => ({
    portMappings: [{ hostPort: 10_000 + number, containerPort: 80, protocol: "tcp" }],
    bandwidth: { ingressRate: 80_000_000, ingressBurst: 8_000_000, egressRate: 80_000_000, egressBurst: 8_000_000 },
  }),
};
