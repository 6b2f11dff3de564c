/** What a node's agent is told, as its configuration file. */

import { writeFileAtomic } from "../linux/file.ts";
import { bare, type Lab, type LabNode } from "./lab.ts";
import { configFolder, labFolder, networkName, nodeFolder } from "./names.ts";

/** Numbers of autonomous systems for private use. @see RFC 6996 */
export const NODE_AS = 64512;
export const ROUTER_AS = 64513;

/** Where etcd listens. */
export const ETCD_PORT = 2379;

/** The fields of the configuration of `tendril agent` that a lab sets. */
export function agentConfig(lab: Lab, node: LabNode): Record<string, unknown> {
  const { cluster } = lab;
  if (cluster === undefined) throw new TypeError(`Lab "${lab.name}" has no agents`);
  const { mode, crossSubnetOnly, blockSize, heartbeat, grace, coolDown } = cluster;
  return {
    node: node.name,
    network: networkName(lab.name),
    store: storeAddress(lab),
    mode,
    crossSubnetOnly,
    subnet: lab.podNetworks,
    blockSize,
    addresses: node.addresses,
    ...(mode === "bgp" ? { bgp: bgpConfig(lab, node) } : {}),
    networkConfig: agentNetworkConfig(lab.name, node.name),
    heartbeat,
    grace,
    coolDown,
  };
}

/** Where the agents keep what they know of each other, as `--store` takes it. */
export function storeAddress(lab: Lab): string {
  if (lab.cluster?.store !== "etcd") return `dir:${storeFolder(lab.name)}`;
  const [address = ""] = lab.subnets[0]?.router.map(bare) ?? [];
  return `etcd://${address.includes(":") ? `[${address}]` : address}:${ETCD_PORT}`;
}

export function storeFolder(lab: string): string {
  return `${labFolder(lab)}/store`;
}

/** The file that the agent writes once pods can be attached. */
export function agentNetworkConfig(lab: string, node: string): string {
  return `${configFolder(lab, node)}/10-tendril.conflist`;
}

export function agentConfigPath(lab: string, node: string): string {
  return `${nodeFolder(lab, node)}/agent.json`;
}

/** Writes it where `startAgent` takes it from. Throws FileError. */
export function writeAgentConfig(lab: Lab, node: LabNode): void {
  writeFileAtomic(agentConfigPath(lab.name, node.name), `${JSON.stringify(agentConfig(lab, node), undefined, 2)}\n`);
}

/** Whether the router has to know where the pods are. */
export function routerSpeaksBgp({ cluster, nodes }: Lab): boolean {
  return cluster?.mode === "bgp" && new Set(nodes.map(({ subnet }) => subnet)).size > 1;
}

/** Nodes are peers of each other; between subnets the router is one as well, for packets come by it. */
function bgpConfig(lab: Lab, node: LabNode): Record<string, unknown> {
  if (!routerSpeaksBgp(lab)) return { as: NODE_AS };
  const router = lab.subnets.find(({ name }) => name === node.subnet)?.router ?? [];
  return { as: NODE_AS, peers: router.map((address) => ({ address: bare(address), as: ROUTER_AS })) };
}
