/**
 * Nodes with a pod each as network namespaces: a routed pair to each pod, and a fabric of a subnet for each node, with a
 * router between them, or one subnet for both.
 */

import { type TestNetns, testNamespaces } from "../../../test/support/namespaces.ts";
import type { Family } from "../../core/ip.ts";
import type { Resource } from "../../core/plan.ts";
import { type Places, testPlaces } from "../../resources/test-support/place.ts";
import type { LocalNode, Peer } from "../mode.ts";

export interface StagedNode {
  readonly local: LocalNode;
  readonly asPeer: Peer;
  readonly host: TestNetns;
  readonly pod: TestNetns;
  /** The pod's addresses, by family. */
  readonly podAddresses: Readonly<Record<Family, string>>;
  make(...resources: Resource[]): void;
  findings(...resources: Resource[]): string[];
  unmake(...resources: Resource[]): unknown[];
}

export interface StageOptions {
  /** Families of the fabric. */
  readonly underlay: readonly Family[];
  /** A router between the two nodes, which knows nothing of pods. */
  readonly routed: boolean;
  /** Of pods' packets between nodes. */
  readonly mtu: number;
}

export interface Stages {
  fresh(options: StageOptions): [StagedNode, StagedNode];
}

/** Stages for the tests of one file. To be called at the file's top level. */
export function testStages(): Stages {
  // First, so that they are gone by the time at which places looks for what is left.
  const namespaces = testNamespaces();
  const places = testPlaces();
  return {
    fresh(options) {
      const fabric = namespaces.fresh();
      fabric.sh(`
        sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0
        ip link add br0 type bridge && ip link set br0 up
        ip address add 172.20.1.1/24 dev br0 && ip address add fd20:1::1/64 dev br0 nodad
      `);
      const nodes = [1, 2].map((i) => stageNode(places, fabric, i, options)) as [StagedNode, StagedNode];
      return nodes;
    },
  };
}

function stageNode(places: Places, fabric: TestNetns, i: number, { underlay, routed, mtu }: StageOptions): StagedNode {
  const place = places.fresh();
  const { host, container: pod } = place;
  const net = routed ? i : 1;
  const port = `node${i}`;
  fabric.sh(`ip link add ${port} type veth peer name eth0 netns ${host.name} && ip link set ${port} up`);
  if (!routed || i === 1) fabric.sh(`ip link set ${port} master br0`);
  else fabric.sh(`ip address add 172.20.${net}.1/24 dev ${port} && ip address add fd20:${net}::1/64 dev ${port} nodad`);
  const addresses = underlay.map((family) => (family === 4 ? `172.20.${net}.1${i}/24` : `fd20:${net}::1${i}/64`));
  const podAddresses = { 4: `10.244.${i}.5`, 6: `fd44:${i}::5` };
  host.sh(`
    sysctl -qw net.ipv6.conf.default.accept_dad=0
    ip link set lo up && ip link set eth0 up
    ${addresses.map((address) => `ip address add ${address} dev eth0 nodad`).join("\n")}
    ${underlay.map((family) => `ip -${family} route add default via ${family === 4 ? `172.20.${net}.1` : `fd20:${net}::1`}`).join("\n")}
    ip link add veth0 type veth peer name eth0 netns ${pod.name} && ip link set veth0 address 02:00:00:00:01:01 up
    ip address add 169.254.1.1/32 dev veth0 && ip address add fe80::1/64 dev veth0 nodad
    ip route add ${podAddresses[4]} dev veth0 && ip -6 route add ${podAddresses[6]} dev veth0
  `);
  pod.sh(`
    sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0
    ip link set lo up && ip link set eth0 mtu ${mtu} up
    ip address add ${podAddresses[4]}/32 dev eth0 && ip address add ${podAddresses[6]}/128 dev eth0 nodad
    ip route add 169.254.1.1 dev eth0 && ip route add default via 169.254.1.1
    ip -6 route add default via fe80::1 dev eth0
  `);
  const tunnelMac = `02:00:00:00:00:0${i}`;
  const name = `node${i}`;
  return {
    local: {
      name,
      addresses,
      uplinks: [{ name: "eth0", mtu: 1500, addresses }],
      tunnelMac,
      tunnelAddresses: [`10.244.${i}.1`, `fd44:${i}::1`],
      mtu,
    },
    asPeer: { name, addresses, tunnelMac, prefixes: [`10.244.${i}.0/26`, `fd44:${i}::/122`] },
    host,
    pod,
    podAddresses,
    make: (...resources) => places.make(place, ...resources),
    findings: (...resources) => places.findings(place, ...resources),
    unmake: (...resources) => places.unmake(place, ...resources),
  };
}
