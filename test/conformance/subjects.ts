/** The subjects of the project's own runs: each standard plugin, with a configuration that shows all of its work. */

import type { PluginConfig, Subject } from "./subject.ts";

const hostLocal = {
  type: "host-local",
  ranges: [[{ subnet: "10.77.0.0/24" }], [{ subnet: "fd77::/64" }]],
  routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }, { dst: "10.88.0.0/16", gw: "10.77.0.254" }],
};

/** One address, so that the second attachment finds none. */
const exhausted = {
  what: "no address is left",
  sh: ":",
  attachments: 1,
  config: {
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: "10.78.0.0/24", rangeStart: "10.78.0.9", rangeEnd: "10.78.0.9" }]],
    },
  },
};

const leaseLost = { what: "the lease is lost", where: "node", sh: "rm /var/lib/cni/networks/net/[0-9f]*" } as const;

const wrongIpam = [
  { ipam: 7 },
  { ipam: { type: "host-local", ranges: [[{ subnet: "10.77.0.0" }]] } },
  { ipam: { type: "host-local", ranges: "10.77.0.0/24" } },
  { ipam: { type: "static", addresses: [{ address: "10.77.0.9" }] } },
];

const bridge: PluginConfig = { type: "bridge", bridge: "br0", isGateway: true, ipMasq: true, ipam: hostLocal };

export const subjects: readonly Subject[] = [
  {
    name: "bridge",
    kind: "interface",
    plugins: [bridge],
    obstacles: [
      exhausted,
      {
        what: "the bridge's name is another link's",
        sh: "ip link add br7 type veth peer name other7",
        config: { bridge: "br7" },
      },
    ],
    damages: [
      { what: "the masquerade's rules are gone", where: "node", sh: "nft flush ruleset" },
      { what: "the bridge is down", where: "node", sh: "ip link set br0 down" },
      { what: "the bridge is gone", where: "node", sh: "ip link delete br0" },
      leaseLost,
    ],
    wrong: [{ bridge: 7 }, { mtu: "x" }, { isGateway: "yes" }, { hairpinMode: true, promiscMode: true }, ...wrongIpam],
  },
  {
    name: "loopback",
    kind: "interface",
    ifname: "lo",
    interfaceIsThere: true,
    plugins: [{ type: "loopback" }],
    damages: [{ what: "the interface is down", where: "container", sh: "ip link set lo down" }],
  },
  {
    name: "host-local",
    kind: "ipam",
    plugins: [{ type: "bridge", ipam: hostLocal }],
    obstacles: [exhausted],
    damages: [leaseLost],
    wrong: [
      ...wrongIpam.slice(0, 3),
      { ipam: { type: "host-local", ranges: [[{ subnet: "10.77.0.0/24", rangeStart: "10.78.0.1" }]] } },
      { ipam: { type: "host-local", ranges: [[{ subnet: "10.77.0.0/32" }]] } },
    ],
  },
  {
    name: "static",
    kind: "ipam",
    plugins: [
      {
        type: "bridge",
        ipam: {
          type: "static",
          addresses: [{ address: "10.77.0.9/24", gateway: "10.77.0.1" }, { address: "fd77::9/64" }],
          routes: [{ dst: "0.0.0.0/0" }],
          dns: { nameservers: ["10.77.0.1"] },
        },
      },
    ],
    wrong: [
      { ipam: 7 },
      { ipam: { type: "static", addresses: [{ address: "10.77.0.9" }] } },
      { ipam: { type: "static", addresses: "10.77.0.9/24" } },
      { ipam: { type: "static", addresses: [{ address: "10.77.0.9/24" }], routes: [{ dst: "x" }] } },
    ],
  },
];
