/** Tendril's agents as plain processes on the nodes of a test cluster, over the control plane's etcd. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "./cluster.ts";
import { ofFamilies, PODS } from "./fabric.ts";
import { until } from "./until.ts";
import type { Worker } from "./worker.ts";

const AGENT = "tendril-agent";
const SOCKET = "/run/tendril/agent.sock";
const NETWORK_CONFIG = "/etc/cni/net.d/10-tendril.conflist";

const dist = join(import.meta.dir, "../../dist");

/** More fields of the agents' configuration, such as `mode`. */
export type AgentSettings = Readonly<Record<string, unknown>>;

/** Puts the plugins where the container runtime looks for them. */
export async function installPlugins({ output }: Worker): Promise<void> {
  await output(["sh", "-c", `ln -sf ${dist}/cni/* /opt/cni/bin/`]);
}

/** Starts an agent on each node and waits until all nodes are Ready. */
export async function startAgents(cluster: Cluster, settings: AgentSettings = {}): Promise<void> {
  await Promise.all(cluster.nodes().map((node) => startAgent(cluster, node, settings)));
  await cluster.ready();
}

/** Starts a node's agent and waits until it has told the container runtime of its network. */
export async function startAgent(cluster: Cluster, node: Worker, settings: AgentSettings = {}): Promise<void> {
  await installPlugins(node);
  node.write("/etc/tendril/agent.yaml", {
    store: `etcd://${cluster.control.etcd}`,
    subnet: ofFamilies(PODS, cluster.families),
    networkConfig: NETWORK_CONFIG,
    ...settings,
  });
  await node.machine.start(AGENT, [join(dist, "tendril"), "agent"]);
  const paths = [NETWORK_CONFIG, SOCKET].map((path) => `${node.machine.root}${path}`);
  await until(`the agent of ${node.name} is ready`, () => paths.every((path) => existsSync(path)), {
    isPossible: () => node.machine.isRunning(AGENT),
    details: () => node.machine.log(AGENT),
  });
}
