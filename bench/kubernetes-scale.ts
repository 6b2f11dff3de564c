/**
 * What an agent of a large Kubernetes takes: of memory, of the API server's traffic and of processor time. One node is
 * real, with all that a node has; the others are documents.
 */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readProcessFile } from "../src/linux/process-file.ts";
import { VXLAN_LINK } from "../src/modes/mode.ts";
import { type Cluster, startCluster } from "../test/kubernetes/cluster.ts";
import { agentsReady, installText, NAMESPACE, printed } from "../test/kubernetes/installed.ts";
import { until } from "../test/kubernetes/until.ts";
import type { Worker } from "../test/kubernetes/worker.ts";
import { memoryOf, processorTime } from "./cluster.ts";
import { POOL } from "./documents.ts";

export interface ScaleTask {
  /** The folder of Kubernetes' programs. */
  readonly programs: string;
  readonly nodes: number;
  readonly say: (line: string) => void;
}

/** What an agent has taken by a moment. */
interface Taken {
  /** Milliseconds of processor time. */
  readonly cpu: number;
  /** Bytes of TCP from the API server, and to it. */
  readonly received: number;
  readonly sent: number;
  /** In MB. */
  readonly memory: ReturnType<typeof memoryOf>;
}

const CHANGES = 50;
const IDLE_S = 60;
/** Milliseconds in which what an agent does once is done. */
const REST = 5000;
/** The others are called node1 and so on. */
const NODE = "here";
/** How many there are at first. */
const FEW = 10;

/** Measures an agent among ten nodes, and one that starts among so many. */
export async function measureScale({ programs, nodes, say }: ScaleTask): Promise<void> {
  const cluster = await startCluster({
    name: `scale${process.pid}`,
    programs,
    nodes: [{ name: NODE, subnet: "rack1" }],
  });
  try {
    await installText(cluster, await printed("--mode", "vxlan", "--subnet", POOL));
    // It would give up nodes that Kubernetes has not.
    await cluster.kubectl("scale", "deployment/tendril-controller", `--namespace=${NAMESPACE}`, "--replicas=0");
    await agentsReady(cluster);
    await write(cluster, "nodes", 1, FEW);
    await measure(cluster, FEW, say);
    await write(cluster, "nodes", FEW, nodes);
    await cluster.kubectl("delete", "pods", `--namespace=${NAMESPACE}`, "--selector=app.kubernetes.io/component=agent");
    await measure(cluster, nodes, say);
  } finally {
    await cluster.stop();
  }
}

async function measure(cluster: Cluster, nodes: number, say: (line: string) => void): Promise<void> {
  const worker = cluster.node(NODE);
  const routes = async () =>
    Number((await worker.output(["sh", "-c", `ip route show dev ${VXLAN_LINK} | wc -l`])).trim());
  await until(`there are routes to ${nodes} nodes`, async () => (await routes()) >= nodes - 1, { within: 120_000 });
  await agentsReady(cluster);
  await Bun.sleep(REST);
  const started = await taken(cluster, worker);
  say(
    `among ${nodes} nodes, ${REST / 1000} s after the start: ${formatMemory(started)}; ${formatTraffic(started)}; ${started.cpu.toFixed(0)} ms of processor time`,
  );
  await Bun.sleep(IDLE_S * 1000);
  const idle = await taken(cluster, worker);
  say(`  idle for ${IDLE_S} s: ${formatTraffic(difference(idle, started))}; ${(idle.cpu - started.cpu).toFixed(0)} ms`);
  const before = await routes();
  // Numbers of blocks that no node has yet.
  await write(cluster, "changes", 10_000 + nodes, 10_000 + nodes + CHANGES);
  await until("the changes are there", async () => (await routes()) >= before + CHANGES);
  await Bun.sleep(1000);
  const changed = difference(await taken(cluster, worker), idle);
  const each = { ...changed, received: changed.received / CHANGES, sent: changed.sent / CHANGES };
  say(`  a block of another node: ${formatTraffic(each)}; ${(changed.cpu / CHANGES).toFixed(1)} ms`);
}

/** Writes documents from within the API server's network. */
async function write(cluster: Cluster, what: "nodes" | "changes", from: number, to: number): Promise<void> {
  const script = join(import.meta.dir, "kubernetes-documents.ts");
  const command = [process.execPath, script, cluster.control.kubeconfig, what, String(from), String(to)];
  const { exitCode, stderr } = await cluster.at("control", command);
  if (exitCode !== 0) throw new Error(`The documents cannot be written: ${stderr}`);
}

async function taken({ control }: Cluster, worker: Worker): Promise<Taken> {
  const inside = (await worker.output(["pgrep", "--full", "^/usr/bin/tendril agent"])).trim();
  const pid = hostPid(inside);
  // By the service of the API server, whose port is not the server's own.
  const sockets = await worker.output(["ss", "-tinpOH", "dport", "=", ":443"]);
  const own = sockets.split("\n").filter((line) => line.includes(`pid=${inside},`));
  if (own.length === 0) throw new Error(`The agent has no connection to ${control.kubeconfig}: ${sockets}`);
  const sum = (field: string) =>
    own.reduce((all, line) => all + Number(new RegExp(`\\b${field}:(\\d+)`).exec(line)?.[1] ?? 0), 0);
  return {
    cpu: processorTime(pid),
    received: sum("bytes_received"),
    sent: sum("bytes_acked"),
    memory: memoryOf(pid),
  };
}

/** The number that this machine has for the agent. @see proc_pid_status(5) NSpid */
function hostPid(inside: string): number {
  const found = readdirSync("/proc").find((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const status = readProcessFile(Number(pid), "status") ?? "";
    const numbers = /^NSpid:\s+(.*)$/m.exec(status)?.[1]?.split("\t") ?? [];
    return numbers[1] === inside && /^Name:\s+tendril$/m.test(status);
  });
  if (found === undefined) throw new Error(`There is no process ${inside} of the node`);
  return Number(found);
}

function difference(now: Taken, before: Taken): Taken {
  return {
    ...now,
    cpu: now.cpu - before.cpu,
    received: now.received - before.received,
    sent: now.sent - before.sent,
  };
}

function formatMemory({ memory: { all, own } }: Taken): string {
  return `${all.toFixed(0)} MB resident, ${own.toFixed(0)} of them no file's`;
}

function formatTraffic({ received, sent }: Pick<Taken, "received" | "sent">): string {
  return `${(received / 1000).toFixed(1)} kB received, ${(sent / 1000).toFixed(1)} kB sent`;
}
