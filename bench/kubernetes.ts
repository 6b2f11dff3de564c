/**
 * How long pods take from being scheduled to being Ready: by Tendril's cluster plugin, and by the reference's bridge with
 * host-local, on the same nodes of one real Kubernetes. By turns, so that whatever else the machine does hits both: the
 * network of a round is that whose file the container runtime finds first.
 */

import { join } from "node:path";
import { type Cluster, startCluster } from "../test/kubernetes/cluster.ts";
import { agentsReady, install } from "../test/kubernetes/installed.ts";
import { until } from "../test/kubernetes/until.ts";
import { idlePods } from "../test/kubernetes/workloads.ts";
import { median, quantile } from "./statistics.ts";

export interface KubernetesTask {
  /** The folder of Kubernetes' programs. */
  readonly programs: string;
  /** The folder of the reference plugins. */
  readonly peers: string;
  readonly pods: number;
  /** Rounds of each side. */
  readonly rounds: number;
  readonly say: (line: string) => void;
}

export interface StartTimes {
  readonly name: string;
  /** Milliseconds of each pod, from when it was seen to be scheduled until it was seen to be Ready. */
  readonly times: readonly number[];
}

const BEFORE_OURS = "/etc/cni/net.d/05-reference.conflist";
const PATIENCE_MS = 600_000;
const PLUGINS = ["bridge", "host-local"];

/** What leaves the cluster is masqueraded, as ours is. */
function referenceNetwork(range: string): object {
  return {
    cniVersion: "1.0.0",
    name: "reference",
    plugins: [
      {
        ...{ type: "bridge", bridge: "cni0", isGateway: true, ipMasq: true },
        ipam: { type: "host-local", ranges: [[{ subnet: range }]], routes: [{ dst: "0.0.0.0/0" }] },
      },
    ],
  };
}

/** Measures both. The first round of each side is not counted: it makes what is there afterwards. */
export async function measureStarts(task: KubernetesTask): Promise<readonly [ours: StartTimes, reference: StartTimes]> {
  const cluster = await startCluster({
    name: `bench${process.pid}`,
    programs: task.programs,
    nodes: ["node1", "node2", "node3"].map((name) => ({ name, subnet: "rack1" })),
  });
  try {
    for (const { output } of cluster.nodes()) {
      const files = PLUGINS.map((name) => join(task.peers, name)).join(" ");
      await output(["sh", "-c", `cp ${files} /opt/cni/bin/`]);
    }
    await install(cluster);
    await agentsReady(cluster);
    await cluster.apply(idlePods(0));
    const sides = [
      { name: "tendril", times: [] as number[], use: () => Promise.all(cluster.nodes().map(useOurs)) },
      { name: "reference", times: [] as number[], use: () => Promise.all(cluster.nodes().map(useReference)) },
    ] as const;
    for (let round = 0; round <= task.rounds; round++) {
      for (const { name, times, use } of sides) {
        await use();
        // The runtime looks at its folder when the folder changes.
        await Bun.sleep(2000);
        const found = await startPods(cluster, task.pods);
        if (round > 0) times.push(...found);
        task.say(`  round ${round} of ${name}: median ${median(found).toFixed(0)} ms`);
      }
    }
    return sides;
  } finally {
    await cluster.stop();
  }
}

type Node = ReturnType<Cluster["nodes"]>[number];

async function useOurs({ output }: Node): Promise<void> {
  await output(["rm", "-f", BEFORE_OURS]);
}

async function useReference(node: Node): Promise<void> {
  const number = node.name.replace(/\D/g, "");
  node.write(BEFORE_OURS, referenceNetwork(`10.99.${number}.0/24`));
}

/** Has so many pods come, and go again. Returns what each took. */
async function startPods(cluster: Cluster, count: number): Promise<number[]> {
  const columns = '{.metadata.name} {.spec.nodeName} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}';
  const watch = ["get", "pods", "-l", "app=idle", "--watch", "-o", `jsonpath=${columns}`];
  const netns = `--net=${cluster.netns("control")}`;
  const watching = Bun.spawn(["nsenter", netns, ...cluster.kubectlCommand, ...watch], { stdout: "pipe" });
  const scheduled = new Map<string, number>();
  const ready = new Map<string, number>();
  const reading = (async () => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of watching.stdout) {
      const now = performance.now();
      const lines = `${rest}${decoder.decode(bytes, { stream: true })}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const [name = "", node = "", state] = line.split(" ");
        if (node !== "" && !scheduled.has(name)) scheduled.set(name, now);
        if (state === "True" && !ready.has(name)) ready.set(name, now);
      }
    }
  })();
  const scale = (replicas: number) => cluster.kubectl("scale", "deployment/idle", `--replicas=${replicas}`);
  try {
    await scale(count);
    await until("all pods are Ready", () => ready.size === count, { within: PATIENCE_MS });
  } finally {
    watching.kill();
    await watching.exited;
    await reading;
  }
  await scale(0);
  const none = async () => (await cluster.kubectl("get", "pods", "-l", "app=idle", "-o", "name")) === "";
  await until("the pods are gone", none, { within: PATIENCE_MS, every: 500 });
  return [...ready].map(([name, at]) => at - (scheduled.get(name) ?? at));
}

/** The lines of a report. */
export function formatStarts([ours, reference]: readonly [StartTimes, StartTimes]): string[] {
  const figures = ({ times }: StartTimes) => [median(times), quantile(times, 0.99)] as const;
  const [a, b] = [figures(ours), figures(reference)];
  const line = (name: string, pods: number, [half, most]: readonly [number, number]) =>
    `${name}: median ${half.toFixed(0)} ms, 99th percentile ${most.toFixed(0)} ms, ${pods} pods`;
  return [
    line(ours.name, ours.times.length, a),
    line(reference.name, reference.times.length, b),
    `ratio: median ${(a[0] / b[0]).toFixed(2)}, 99th percentile ${(a[1] / b[1]).toFixed(2)} (goal ≤ 1.0)`,
  ];
}
