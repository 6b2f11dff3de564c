/** The agents' configuration as an installation has it: what was chosen, and beside it all that could be. */

import { FALLBACK_SUBNET, hasController, type InstallOptions } from "./options.ts";

/** The text of agent.yaml. */
export function agentConfigText(options: InstallOptions): string {
  const { store, mode, ipam, subnet, crossSubnetOnly, blockSize, mtu, bridge, masquerade, metricsPort, log } = options;
  const stored = storeOptionsOf(options);
  return [
    "# Changes are taken up by: kubectl rollout restart daemonset tendril-agent\n",
    configField("store", store, "Where the cluster's documents are: the API server, or etcd://HOST:PORT."),
    ...(store.startsWith("kubernetes:")
      ? []
      : [configField("kubernetes", "kubernetes:", "The API server, whose pods' annotations are read.")]),
    ...(stored === undefined ? [] : [configField("storeOptions", stored, "How the store is reached.")]),
    configField(
      "mode",
      mode,
      "How packets get to other nodes: auto (as they are on a shared link, in VXLAN elsewhere), host-gw, vxlan or ipip.",
    ),
    configField(
      "crossSubnetOnly",
      crossSubnetOnly || undefined,
      "Of vxlan and ipip: nodes on the same link are reached directly.",
      "false",
    ),
    configField(
      "ipam",
      ipam,
      "Out of what nodes give addresses: blocks that they claim anywhere, or node-cidr, the podCIDRs of their Nodes alone.",
    ),
    configField(
      "subnet",
      subnet.length === 0 ? undefined : subnet,
      'Networks of all pods, one of each family. They become the pool "default" when there is none; then the pool counts. What the cluster says unless given.',
      '["10.244.0.0/16"]',
    ),
    ...(subnet.length === 0
      ? [configField("fallbackSubnet", FALLBACK_SUBNET, "The same for a cluster that does not say it.")]
      : []),
    configField(
      "blockSize",
      Object.keys(blockSize).length === 0 ? undefined : blockSize,
      "Prefix lengths of the blocks of addresses that nodes claim.",
      '{"ipv4":26,"ipv6":122}',
    ),
    configField("mtu", mtu, "Of pods, in bytes; found out unless given.", "1450"),
    configField("bridge", bridge, "Pods are ports of this bridge instead of routed pairs.", "tendril0"),
    configField("masquerade", masquerade, "Pods leave the cluster under their node's address."),
    configField("vxlan", undefined, "Of the tunnels.", '{"vni":1,"port":4789}'),
    configField("heartbeat", undefined, "Seconds between two signs of life.", "10"),
    configField("grace", undefined, "Seconds without a sign of life after which a node is given up.", "300"),
    configField(
      "controller",
      hasController(options) || undefined,
      "The controller gives up nodes that are gone and ends reservations; else the agents do it.",
      "false",
    ),
    configField("coolDown", undefined, "Seconds before a released address is given again.", "60"),
    configField("log", log, "debug, info, warn or error."),
    "# What follows goes with the DaemonSet.\n",
    `metrics: "127.0.0.1:${metricsPort}"\n`,
    `networkConfig: "/etc/cni/net.d/10-tendril.conflist"\n`,
    "inContainer: true\n",
  ].join("");
}

/** A line for a field, and its meaning above it; one that is not chosen shows what is usual. */
export function configField(name: string, value: unknown, about: string, usual?: string): string {
  const line = value === undefined ? `# ${name}: ${usual}` : `${name}: ${JSON.stringify(value)}`;
  return `# ${about}\n${line}\n`;
}

export function storeOptionsOf({ store, namespace, server }: InstallOptions): Record<string, string> | undefined {
  if (!store.startsWith("kubernetes:")) return undefined;
  return { namespace, ...(server === undefined ? {} : { server }) };
}
