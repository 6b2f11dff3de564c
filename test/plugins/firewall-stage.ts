/** A host with bridges, containers on them and a machine outside, and who of them reaches whom through the firewall. */

import { existsSync } from "node:fs";
import type { Result } from "../../src/core/result.ts";
import { inNetns } from "../../src/linux/netns.ts";
import { addChain, type Link } from "../support/chain.ts";
import type { TestNetns } from "../support/namespaces.ts";
import type { Need } from "../support/needs.ts";
import { linkOutside } from "../support/outside.ts";
import { type Container, type Host, type Hosts, PLUGINS } from "../support/plugin-calls.ts";

export interface Network {
  readonly bridge: string;
  /** Fields of the firewall; without them the network's chain has none. */
  readonly firewall?: Readonly<Record<string, unknown>>;
}

export interface Scene {
  /** By a letter, by which its containers begin. */
  readonly networks: Readonly<Record<string, Network>>;
  /** The containers: the first of network `a` is `a1`. */
  readonly containers: readonly string[];
  /** What iptables does with forwarded packets that it has no rule for; without it there is no iptables. */
  readonly policy?: "ACCEPT" | "DROP";
  /** Whether packets that stay on a bridge are shown to the rules for IP. */
  readonly bridgedToo?: boolean;
  /** Commands run in the host before the containers come. */
  readonly given?: string;
}

export interface Pod extends Container {
  readonly namespace: TestNetns;
  readonly chain: readonly Link[];
  readonly result: Result;
  /** Without prefix: IPv4, then IPv6. */
  readonly addresses: readonly string[];
}

export interface Stage {
  readonly host: Host;
  readonly outside: TestNetns;
  readonly pods: ReadonlyMap<string, Pod>;
  /** Makes one more container, such as `a3`; by plugins of other folders, where they are given. */
  add(name: string, paths?: Paths): Promise<Pod>;
}

/** Addresses of the host that lead to container `a1`. */
const HOST_PORTS = ["192.0.2.10", "2001:db8::10"];
const UPLINK = ["192.0.2.1/24", "2001:db8::1/64"];
const OUTSIDE = ["192.0.2.2", "2001:db8::2"];

const BRIDGED = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/** The module that shows bridged packets to the rules for IP. */
export const brNetfilter: Need = () => (existsSync(BRIDGED) ? undefined : "the module br_netfilter is not loaded");

export async function makeStage(hosts: Hosts, scene: Scene, paths?: Paths): Promise<Stage> {
  const host = hosts.fresh();
  const outside = makeOutside(hosts, host);
  const bridged = scene.bridgedToo ? 1 : 0;
  if (existsSync(BRIDGED)) {
    host.netns.sh(
      `sysctl -qw net.bridge.bridge-nf-call-iptables=${bridged} net.bridge.bridge-nf-call-ip6tables=${bridged}`,
    );
  }
  if (scene.policy !== undefined) {
    host.netns.sh(`iptables-nft -P FORWARD ${scene.policy} && ip6tables-nft -P FORWARD ${scene.policy}`);
  }
  if (scene.given !== undefined) host.netns.sh(scene.given);
  const pods = new Map<string, Pod>();
  const add: Stage["add"] = async (name, other = paths) => {
    const letter = name.slice(0, 1);
    const network = scene.networks[letter];
    if (network === undefined) throw new Error(`There is no network for container "${name}"`);
    const container = hosts.container(name);
    const chain = chainOf(host, letter, network, other);
    const result = await addChain(host, container, chain);
    const addresses = (result.ips ?? []).map(({ address }) => address.slice(0, address.indexOf("/")));
    const pod = { ...container, chain, result, addresses };
    pods.set(name, pod);
    return pod;
  };
  for (const name of scene.containers) await add(name);
  await hasAddresses(host.netns);
  return { host, outside, pods, add };
}

const PATIENCE_MS = 5_000;

/** Waits until no address is tested for duplicates: without a link-local one a host cannot ask for a container's MAC. */
async function hasAddresses(host: TestNetns): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (host.sh("ip -6 address show tentative") !== "") {
    if (performance.now() > deadline) throw new Error("The host's addresses are still tested for duplicates");
    await Bun.sleep(100);
  }
}

/** The folders of the bridge and the firewall, where they are not ours. A Go bridge has the Go IPAM too. */
export type Paths = string | readonly [bridge: string, firewall: string];

function chainOf(host: Host, letter: string, { bridge, firewall }: Network, paths: Paths = PLUGINS): Link[] {
  const [ofBridge, ofFirewall] = typeof paths === "string" ? [paths, paths] : paths;
  // Networks on one bridge share its subnets, and each has a part of them.
  const part = letter.charCodeAt(0) - "a".charCodeAt(0);
  const number = bridge.charCodeAt(bridge.length - 1) - "a".charCodeAt(0);
  const range = (network: string, prefix: number, separator: string) => ({
    subnet: `${network}${separator === "." ? "0" : ""}/${prefix}`,
    rangeStart: `${network}${10 * (part + 1)}`,
    gateway: `${network}1`,
  });
  const ranges = [[range(`10.77.${number}.`, 24, ".")], [range(`fd77:${number}::`, 64, ":")]];
  const common = { cniVersion: "1.1.0", name: `net-${letter}` };
  const ipam = { type: "host-local", dataDir: host.dataDir, ranges };
  return [
    { config: { ...common, type: "bridge", bridge, isDefaultGateway: true, ipam }, path: ofBridge },
    ...(firewall === undefined ? [] : [{ config: { ...common, type: "firewall", ...firewall }, path: ofFirewall }]),
  ];
}

function makeOutside(hosts: Hosts, host: Host): TestNetns {
  host.netns.sh("ip link set lo up");
  const outside = linkOutside(hosts, host, {
    host: [...UPLINK, `${HOST_PORTS[0]}/32`, `${HOST_PORTS[1]}/128`],
    outside: [`${OUTSIDE[0]}/24`, `${OUTSIDE[1]}/64`],
  });
  outside.sh("ip route add 10.77.0.0/16 via 192.0.2.1 && ip -6 route add fd77::/16 via 2001:db8::1");
  return outside;
}

/** Has what comes for an address of the host go to a container, as a host port does. */
export function redirectTo({ host }: Stage, { addresses: [v4, v6] }: Pod): void {
  host.netns.sh(`set -e
    nft add table inet hostports
    nft 'add chain inet hostports prerouting { type nat hook prerouting priority dstnat; }'
    nft add rule inet hostports prerouting ip daddr ${HOST_PORTS[0]} dnat ip to ${v4}
    nft add rule inet hostports prerouting ip6 daddr ${HOST_PORTS[1]} dnat ip6 to ${v6}`);
}

/**
 * Who reaches whom, by pairs such as `a1 a2`; `outside` and `host port` are names too. Each with the families that an
 * answer comes in: `46`, `4`, `6` or `-`.
 */
export async function reach(stage: Stage, pairs: readonly string[]): Promise<Record<string, string>> {
  const reached = await Promise.all(
    pairs.map(async (pair) => {
      const [from = "", ...to] = pair.split(" ");
      const answers = await Promise.all(addressesOf(stage, to.join(" ")).map((one) => ping(netnsOf(stage, from), one)));
      const families = answers.map((answered, i) => (answered ? (i === 0 ? "4" : "6") : "")).join("");
      return [pair, families || "-"] as const;
    }),
  );
  return Object.fromEntries(reached);
}

function addressesOf({ pods }: Stage, name: string): readonly string[] {
  if (name === "outside") return OUTSIDE;
  if (name === "host port") return HOST_PORTS;
  return podOf(pods, name).addresses;
}

function netnsOf({ outside, pods }: Stage, name: string): TestNetns {
  return name === "outside" ? outside : podOf(pods, name).namespace;
}

export function podOf(pods: Stage["pods"], name: string): Pod {
  const pod = pods.get(name);
  if (pod === undefined) throw new Error(`There is no container "${name}"`);
  return pod;
}

async function ping({ netns }: TestNetns, address: string): Promise<boolean> {
  const child = inNetns(netns, () =>
    Bun.spawn(["ping", "-c", "1", "-W", "1", address], { stdout: "ignore", stderr: "ignore" }),
  );
  return (await child.exited) === 0;
}
