/** Faults of a cluster, each with what mends it: what a power supply, a cable, an operator or the kernel may do. */

import type { Random } from "../support/random.ts";
import type { Cluster } from "./cluster.ts";
import { killAgent, killControllers } from "./installed.ts";
import { until } from "./until.ts";
import type { Worker } from "./worker.ts";

/** How long something is away, in milliseconds. */
const AWAY_MS = { least: 300, most: 3_000 } as const;

type Fault = (cluster: Cluster, node: Worker, away: () => Promise<void>, random: Random) => Promise<void>;

/** By name; the cluster is whole again when the promise is kept, but for what has to come back by itself. */
const FAULTS = {
  "the agent is killed": (_cluster, node) => killAgent(node),
  "the controllers are killed": (cluster) => killControllers(cluster),
  async "the kubelet is killed"(_cluster, node, away) {
    await node.machine.kill("kubelet");
    await away();
    await node.startKubelet();
  },
  async "the container runtime is killed"(_cluster, node, away) {
    await node.machine.kill("containerd");
    await away();
    await node.startContainerd();
  },
  async "the cable is pulled"(cluster, node, away) {
    const plug = (state: string) => cluster.at(cluster.subnetOf(node.name), ["ip", "link", "set", node.name, state]);
    await plug("down");
    await away();
    await plug("up");
  },
  async "etcd is stopped"({ control, tryKubectl }, _node, away) {
    await control.machine.kill("etcd");
    await away();
    await control.startEtcd();
    await until("the API server is well", async () => (await tryKubectl(["get", "--raw", "/readyz"])).exitCode === 0);
  },
  async "a block is deleted by hand"({ get, tryKubectl }, _node, _away, random) {
    const { items } = await get<{ items: readonly { metadata: { name: string } }[] }>("blocks");
    if (items.length > 0) await tryKubectl(["delete", "block", random.pick(items).metadata.name]);
  },
  async "all of nf_tables is flushed"(_cluster, node) {
    await node.output(["nft", "flush", "ruleset"]);
    // Its own rules kube-proxy would miss for minutes.
    await node.machine.kill("kube-proxy");
    await node.startKubeProxy();
  },
} as const satisfies Record<string, Fault>;

/** Has random faults happen, one after the other, for so long; tells of each. */
export async function rainFaults(
  cluster: Cluster,
  random: Random,
  milliseconds: number,
  say: (line: string) => void,
): Promise<void> {
  const away = () => Bun.sleep(AWAY_MS.least + random.below(AWAY_MS.most - AWAY_MS.least));
  const names = Object.keys(FAULTS) as (keyof typeof FAULTS)[];
  const start = performance.now();
  while (performance.now() - start < milliseconds) {
    const [name, node] = [random.pick(names), random.pick(cluster.nodes())];
    say(`${((performance.now() - start) / 1000).toFixed(1)} s: ${name} (${node.name})`);
    const fault: Fault = FAULTS[name];
    await fault(cluster, node, away, random);
    await Bun.sleep(random.below(1000));
  }
}
