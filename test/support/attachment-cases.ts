/** The configurations that crash tests go through: every plugin, and what makes a bridge's plan differ. */

import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { kernelLink } from "./kernel.ts";
import { type Need, program } from "./needs.ts";
import { type Config, type Host, PLUGINS } from "./plugin-calls.ts";

export interface AttachmentCase {
  readonly name: string;
  readonly ifname?: string;
  readonly need?: Need;
  /** What the host has before. */
  readonly given?: (host: Host) => void;
  /** Commands run in the container before. */
  readonly givenInside?: string;
  /** The folders of executables, where ours is not enough. */
  readonly path?: (host: Host) => readonly string[];
  readonly config: (host: Host) => Config;
  /** For a chained plugin: the one before it in the chain, which is there before and after. */
  readonly below?: (host: Host) => Config;
  /** So many steps an ADD and a DEL have at least; plugins that the engine does not run have none. */
  readonly steps: { readonly add: number; readonly del: number };
}

const peers = process.env.TENDRIL_PEER_PLUGINS ?? "";

/** The Go plugins, where they are to be had. */
export function goPlugin(name: string): Need {
  return () =>
    existsSync(`${peers}/${name}`) ? undefined : `TENDRIL_PEER_PLUGINS names no folder with the Go plugin "${name}"`;
}

export const V4 = [{ subnet: "10.77.0.0/24" }];
export const V6 = [{ subnet: "fd77::/64" }];

function bridge(fields: Record<string, unknown>): Config {
  return { cniVersion: "1.1.0", name: "net", type: "bridge", bridge: "br0", ...fields };
}

export function hostLocal({ dataDir }: Host, ...ranges: readonly unknown[]): Record<string, unknown> {
  return { type: "host-local", dataDir, ranges };
}

function ptp(fields: Record<string, unknown>): Config {
  return { cniVersion: "1.1.0", name: "net", type: "ptp", ...fields };
}

/** Ports of all protocols, of all addresses and of a given one. */
function portmap(fields: Record<string, unknown>): Config {
  const portMappings = [
    { hostPort: 8080, containerPort: 80, protocol: "tcp" },
    { hostPort: 8080, containerPort: 53, protocol: "udp" },
    { hostPort: 8081, containerPort: 81, protocol: "sctp", hostIP: "192.0.2.1" },
  ];
  return { cniVersion: "1.1.0", name: "net", type: "portmap", runtimeConfig: { portMappings }, ...fields };
}

function firewall(fields: Record<string, unknown>): Config {
  return { cniVersion: "1.1.0", name: "net", type: "firewall", ...fields };
}

/** An interface made from another link. */
function child(type: "macvlan" | "ipvlan" | "vlan", fields: Record<string, unknown>): Config {
  return { cniVersion: "1.1.0", name: "net", type, master: "up0", ...fields };
}

/** A link to nowhere that others can be made from. */
function withUplink({ netns }: Host): void {
  netns.sh("ip link add up0 type veth peer name far0 && ip link set up0 up && ip link set far0 up");
}

/** A folder in which the Go host-local has a name of its own, so that it is not taken for ours. */
function folderWithPeer(host: Host): readonly string[] {
  const folder = host.path("peer");
  if (!existsSync(folder)) {
    mkdirSync(folder);
    symlinkSync(join(peers, "host-local"), join(folder, "go-host-local"));
  }
  return [PLUGINS, folder];
}

const OF_BRIDGE = { add: 7, del: 2 };

/** Those whose plugin makes an interface. */
export function isOfInterface({ name }: AttachmentCase): boolean {
  return /^(bridge|ptp|macvlan|ipvlan|vlan|dummy|tap)\b/.test(name);
}

/** Of links that not every kernel has; see kernel.ts. A few steps each, for the machine that has them all is slow. */
export const rareAttachmentCases: readonly AttachmentCase[] = [
  {
    name: "ipvlan with host-local",
    steps: { add: 5, del: 1 },
    need: kernelLink("ipvlan"),
    given: withUplink,
    config: (host) => child("ipvlan", { mtu: 1400, ipam: hostLocal(host, V4) }),
  },
  {
    name: "vlan with host-local",
    steps: { add: 5, del: 1 },
    need: kernelLink("vlan"),
    given: withUplink,
    config: (host) => child("vlan", { vlanId: 5, ipam: hostLocal(host, V4) }),
  },
  {
    name: "dummy with host-local, IPv6",
    steps: { add: 4, del: 1 },
    need: kernelLink("dummy"),
    config: (host) => ({ cniVersion: "1.1.0", name: "net", type: "dummy", ipam: hostLocal(host, V6) }),
  },
  {
    name: "vrf after bridge",
    steps: { add: 5, del: 3 },
    need: kernelLink("vrf"),
    // The first VRF of a namespace gives it a rule for good.
    givenInside: "ip link add red type vrf table 9 && ip link delete red",
    below: (host) => bridge({ isDefaultGateway: true, ipam: hostLocal(host, V4) }),
    config: () => ({ cniVersion: "1.1.0", name: "net", type: "vrf", vrfname: "red" }),
  },
];

export const attachmentCases: readonly AttachmentCase[] = [
  { name: "bridge without IPAM", steps: OF_BRIDGE, config: () => bridge({ mtu: 1400 }) },
  {
    name: "bridge with host-local, IPv4 and isDefaultGateway",
    steps: OF_BRIDGE,
    config: (host) => bridge({ isDefaultGateway: true, ipam: hostLocal(host, V4) }),
  },
  {
    name: "bridge with host-local, dual stack",
    steps: OF_BRIDGE,
    config: (host) => bridge({ isDefaultGateway: true, enabledad: true, ipam: hostLocal(host, V4, V6) }),
  },
  {
    name: "bridge with ipMasq, dual stack",
    steps: OF_BRIDGE,
    config: (host) => bridge({ isDefaultGateway: true, ipMasq: true, ipam: hostLocal(host, V4, V6) }),
  },
  {
    name: "bridge with macspoofchk",
    steps: OF_BRIDGE,
    config: (host) => bridge({ macspoofchk: true, isGateway: true, ipam: hostLocal(host, V4) }),
  },
  {
    name: "bridge with portIsolation, hairpinMode and static addresses",
    steps: OF_BRIDGE,
    config: () =>
      bridge({
        portIsolation: true,
        hairpinMode: true,
        isGateway: true,
        ipam: {
          type: "static",
          addresses: [{ address: "10.77.0.9/24", gateway: "10.77.0.1" }, { address: "fd77::9/64" }],
          routes: [{ dst: "10.78.0.0/16" }, { dst: "fd78::/64", gw: "fd77::1" }],
        },
      }),
  },
  {
    name: "bridge with promiscMode",
    steps: OF_BRIDGE,
    config: () => bridge({ promiscMode: true, disableContainerInterface: true }),
  },
  {
    name: "bridge with the Go host-local",
    steps: OF_BRIDGE,
    need: goPlugin("host-local"),
    path: folderWithPeer,
    config: (host) => bridge({ isGateway: true, ipam: { ...hostLocal(host, V4), type: "go-host-local" } }),
  },
  {
    name: "host-device with host-local, dual stack",
    steps: { add: 6, del: 2 },
    given: (host) =>
      host.netns.sh(
        [
          "ip link add ens0 address 02:00:5e:00:53:0a type veth peer name wire0 address 02:00:5e:00:53:0b",
          "ip link set wire0 up && ip link set ens0 mtu 1400 txqueuelen 77 alias uplink up",
          "ip address add 192.0.2.9/24 brd + dev ens0 && ip address add 2001:db8::9/64 dev ens0 nodad",
        ].join(" && "),
      ),
    config: (host) => ({
      cniVersion: "1.1.0",
      name: "net",
      type: "host-device",
      device: "ens0",
      ipam: hostLocal(host, V4, V6),
    }),
  },
  {
    name: "sbr after bridge",
    steps: { add: 10, del: 10 },
    below: (host) => bridge({ isDefaultGateway: true, ipam: hostLocal(host, V4, V6) }),
    config: () => ({ cniVersion: "1.1.0", name: "net", type: "sbr" }),
  },
  {
    name: "tap with host-local, dual stack",
    steps: { add: 7, del: 2 },
    config: (host) => ({
      cniVersion: "1.1.0",
      name: "net",
      type: "tap",
      multiQueue: true,
      mtu: 1400,
      owner: 7,
      ipam: hostLocal(host, V4, V6),
    }),
  },
  {
    name: "ptp with host-local, dual stack",
    steps: { add: 10, del: 2 },
    config: (host) => ptp({ mtu: 1400, ipam: hostLocal(host, V4, V6) }),
  },
  {
    name: "ptp with ipMasq",
    steps: { add: 10, del: 3 },
    config: (host) => ptp({ ipMasq: true, ipam: { ...hostLocal(host, V4), routes: [{ dst: "0.0.0.0/0" }] } }),
  },
  {
    name: "tuning after bridge",
    steps: { add: 7, del: 8 },
    below: (host) => bridge({ isGateway: true, ipam: hostLocal(host, V4) }),
    config: () => ({
      cniVersion: "1.1.0",
      name: "net",
      type: "tuning",
      sysctl: { "net.core.somaxconn": "500", "net.ipv4.conf.IFNAME.arp_filter": "1" },
      mac: "02:00:5e:00:53:01",
      promisc: true,
      mtu: 1400,
      allmulti: true,
      txQLen: 77,
    }),
  },
  {
    name: "macvlan with host-local, dual stack",
    steps: { add: 8, del: 2 },
    given: withUplink,
    config: (host) => child("macvlan", { mtu: 1400, ipam: hostLocal(host, V4, V6) }),
  },
  {
    name: "macvlan without IPAM",
    steps: { add: 3, del: 1 },
    given: withUplink,
    config: () => child("macvlan", { mode: "private" }),
  },
  {
    name: "bandwidth after bridge",
    steps: { add: 8, del: 5 },
    need: kernelLink("ifb"),
    below: (host) => bridge({ isGateway: true, ipam: hostLocal(host, V4) }),
    config: () => ({
      cniVersion: "1.1.0",
      name: "net",
      type: "bandwidth",
      ingressRate: 100_000_000,
      ingressBurst: 1_000_000,
      egressRate: 20_000_000,
      egressBurst: 1_000_000,
    }),
  },
  {
    name: "firewall that keeps bridges apart",
    steps: { add: 11, del: 2 },
    below: (host) => bridge({ isGateway: true, ipam: hostLocal(host, V4, V6) }),
    config: () => firewall({ ingressPolicy: "same-bridge" }),
  },
  {
    name: "firewall that isolates, where there is iptables",
    steps: { add: 14, del: 2 },
    need: program("iptables-nft"),
    given: ({ netns }) => {
      netns.sh("iptables-nft -P FORWARD DROP && ip6tables-nft -P FORWARD DROP");
    },
    below: (host) => bridge({ isGateway: true, ipam: hostLocal(host, V4, V6) }),
    config: () => firewall({ ingressPolicy: "isolated" }),
  },
  {
    name: "portmap after bridge, dual stack",
    steps: { add: 16, del: 4 },
    below: (host) => bridge({ isGateway: true, ipam: hostLocal(host, V4, V6) }),
    config: () => portmap({}),
  },
  {
    name: "portmap with conditions and without snat",
    steps: { add: 14, del: 4 },
    below: (host) => bridge({ isGateway: true, ipam: hostLocal(host, V4, V6) }),
    config: () =>
      portmap({ snat: false, conditionsV4: ["!", "-s", "10.0.0.0/8"], conditionsV6: ["ip6 saddr fd00::/8"] }),
  },
  {
    name: "loopback",
    ifname: "lo",
    steps: { add: 3, del: 2 },
    config: () => ({ cniVersion: "1.1.0", name: "lo", type: "loopback" }),
  },
  {
    name: "host-local",
    steps: { add: 0, del: 0 },
    config: (host) => ({ cniVersion: "1.1.0", name: "net", type: "host-local", ipam: hostLocal(host, V4, V6) }),
  },
  {
    name: "static",
    steps: { add: 0, del: 0 },
    config: () => ({
      cniVersion: "1.1.0",
      name: "net",
      type: "static",
      ipam: { type: "static", addresses: [{ address: "10.77.0.9/24" }] },
    }),
  },
];
