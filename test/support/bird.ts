/** Nodes as network namespaces with a real BIRD each, by our configuration and under our supervision. */

import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bird } from "../../src/agent/bird.ts";
import { type BgpNode, type BirdInput, birdConfig } from "../../src/agent/bird-config.ts";
import { bgpSettings } from "../../src/agent/bird-settings.ts";
import type { Family } from "../../src/core/ip.ts";
import { type TestNamespaces, type TestNetns, testNamespaces } from "./namespaces.ts";

/** How long BGP may take on a machine that has much else to do. */
const PATIENCE_MS = 30_000;

export interface BirdNode {
  readonly name: string;
  readonly netns: TestNetns;
  readonly folder: string;
  readonly asPeer: BgpNode;
  /** The supervisor of now. */
  bird: Bird;
  /** A supervisor as another agent would have it. */
  supervisor(): Bird;
  input(fields: Partial<BirdInput>, settings?: Readonly<Record<string, unknown>>): string;
  /** What BIRD has written into the kernel: `10.244.2.0/26 via 172.20.1.12 dev eth0`. */
  routes(family: Family): string[];
}

export interface BirdSite {
  readonly namespaces: TestNamespaces;
  /** A switch, and a subnet with a router for each that nodes are made in. */
  fabric(): Fabric;
}

export interface Fabric {
  readonly netns: TestNetns;
  /** The node with this number in the subnet with that one: `172.20.<subnet>.1<number>`. */
  node(number: number, subnet?: number): BirdNode;
}

export const POOLS = ["10.244.0.0/16", "fd44::/16"];

/** A site for the tests of one file. To be called at the file's top level. */
export function birdSite(): BirdSite {
  const birds: BirdNode[] = [];
  const folders: string[] = [];
  const namespaces = testNamespaces();
  afterAll(async () => {
    // Those that a failed test has left. BIRD goes before its namespace.
    for (const node of birds) node.bird.leave();
    for (const node of birds) await node.supervisor().stop();
    for (const folder of folders) rmSync(folder, { recursive: true });
  });
  return {
    namespaces,
    fabric() {
      const netns = namespaces.fresh();
      netns.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0");
      const made = new Set<number>();
      return {
        netns,
        node(number, subnet = 1) {
          if (!made.has(subnet)) addSubnet(netns, subnet);
          made.add(subnet);
          const folder = mkdtempSync(join(tmpdir(), "tb-"));
          folders.push(folder);
          const node = makeNode(namespaces.fresh(), netns, folder, number, subnet);
          birds.push(node);
          return node;
        },
      };
    },
  };
}

function addSubnet(fabric: TestNetns, subnet: number): void {
  fabric.sh(`ip link add br${subnet} type bridge && ip link set br${subnet} up
    ip address add 172.20.${subnet}.1/24 dev br${subnet} && ip address add fd20:${subnet}::1/64 dev br${subnet} nodad`);
}

function makeNode(netns: TestNetns, fabric: TestNetns, folder: string, number: number, subnet: number): BirdNode {
  const addresses = [`172.20.${subnet}.1${number}/24`, `fd20:${subnet}::1${number}/64`];
  fabric.sh(`ip link add node${number} type veth peer name eth0 netns ${netns.name}
    ip link set node${number} master br${subnet} up`);
  netns.sh(`ip link set lo up && ip link set eth0 up
    ${addresses.map((address) => `ip address add ${address} dev eth0 $(case ${address} in *:*) echo nodad;; esac)`).join("\n")}
    ip route add default via 172.20.${subnet}.1 && ip -6 route add default via fd20:${subnet}::1`);
  const name = `node${number}`;
  const supervisor = () =>
    new Bird({
      folder,
      program: "bird",
      prefix: ["nsenter", `--net=${netns.netns.path}`],
      backOff: { first: 50, most: 500 },
    });
  return {
    name,
    netns,
    folder,
    asPeer: { name, addresses },
    bird: supervisor(),
    supervisor,
    input(fields, settings = {}) {
      const local = {
        name,
        addresses,
        uplinks: [{ name: "eth0", mtu: 1500, addresses }],
        tunnelMac: `02:00:00:00:00:0${number}`,
        tunnelAddresses: [`10.244.${number}.1`, `fd44:${number}::1`],
        mtu: 1500,
      };
      const prefixes = [`10.244.${number}.0/26`, `fd44:${number}::/122`];
      const input = { local, settings: bgpSettings(settings, "bgp"), nodes: [], pools: POOLS, prefixes, ...fields };
      return birdConfig(input, `${folder}/bird.log`);
    },
    routes: (family) =>
      netns
        .sh(`ip -${family} route show proto bird`)
        .split("\n")
        .map((line) => line.replace(/ (metric|pref|proto) \S+/g, "").trim())
        .filter((line) => line !== "")
        .sort(),
  };
}

/** Waits until it is as it should be, and returns what it was in the end, for a test to compare. */
export async function eventually<T>(look: () => T | Promise<T>, wanted: (seen: T) => boolean): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (wanted(seen) || Date.now() > deadline) return seen;
    await Bun.sleep(50);
  }
}
