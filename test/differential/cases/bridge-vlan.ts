/** The configurations with VLANs that the Go bridge and ours are compared by, on a kernel whose bridges filter them. */

import { bridgeVlanFiltering } from "../../support/kernel.ts";
import { program } from "../../support/needs.ts";
import {
  type DifferentialCase,
  dual,
  fixed,
  GATEWAY_V4,
  GATEWAY_V6,
  OUTSIDE_V4,
  type PluginCases,
  v4,
} from "./case.ts";

const EXISTING = "ip link add br0 address 02:00:00:00:00:77 type bridge";

const cases: readonly DifferentialCase[] = [
  { name: "vlan without IPAM", config: () => ({ vlan: 100 }) },
  { name: "vlan and no gateway", config: (host) => ({ vlan: 100, ipam: v4(host) }) },
  {
    name: "vlan and preserveDefaultVlan",
    config: (host) => ({ vlan: 100, preserveDefaultVlan: true, ipam: v4(host) }),
  },
  { name: "vlanTrunk", config: (host) => ({ vlanTrunk: [{ id: 42 }, { minID: 10, maxID: 12 }], ipam: v4(host) }) },
  {
    name: "vlanTrunk and preserveDefaultVlan, without IPAM",
    config: () => ({ vlanTrunk: [{ minID: 10, maxID: 12, id: 42 }], preserveDefaultVlan: true }),
  },
  { name: "vlan and vlanTrunk, without IPAM", config: () => ({ vlan: 100, vlanTrunk: [{ id: 42 }, { id: 1 }] }) },
  {
    name: "vlan and a vlanTrunk that has it too, without IPAM",
    config: () => ({ vlan: 11, vlanTrunk: [{ minID: 10, maxID: 12 }] }),
  },
  { name: "an empty vlanTrunk, without IPAM", config: () => ({ vlanTrunk: [] }) },
  {
    name: "vlan and isGateway",
    config: (host) => ({ vlan: 100, isGateway: true, ipam: v4(host) }),
    reaches: [GATEWAY_V4],
  },
  {
    name: "vlan and isDefaultGateway, dual stack",
    config: (host) => ({ vlan: 100, mtu: 1400, isDefaultGateway: true, ipam: dual(host) }),
    reaches: [GATEWAY_V4, GATEWAY_V6],
  },
  {
    name: "vlan, isGateway and preserveDefaultVlan",
    config: (host) => ({ vlan: 100, isGateway: true, preserveDefaultVlan: true, ipam: v4(host) }),
    reaches: [GATEWAY_V4],
  },
  {
    name: "vlan and ipMasq",
    config: (host) => ({
      ...{ vlan: 100, isDefaultGateway: true, ipMasq: true, ipMasqBackend: "nftables" },
      ipam: v4(host),
    }),
    reaches: [GATEWAY_V4, OUTSIDE_V4],
  },
  {
    name: "vlan and isGateway with a static address",
    config: () => ({ vlan: 100, isGateway: true, ipam: fixed({ address: "10.77.0.9/24", gateway: GATEWAY_V4 })() }),
    reaches: [GATEWAY_V4],
  },
  {
    name: "vlan and the bridge exists, and filters",
    given: `${EXISTING} vlan_filtering 1; ip link set br0 up; sleep 0.1`,
    config: (host) => ({ vlan: 100, isGateway: true, ipam: v4(host) }),
    reaches: [GATEWAY_V4],
  },
  {
    name: "vlan and the bridge exists, and does not filter",
    given: `${EXISTING}; ip link set br0 up; sleep 0.1`,
    config: (host) => ({ vlan: 100, ipam: v4(host) }),
  },
];

export const bridgeVlan: PluginCases = {
  plugin: "bridge",
  name: "bridge with VLANs",
  base: { type: "bridge", bridge: "br0" },
  cases,
  needs: [program("bridge"), bridgeVlanFiltering],
};
