/** Nodes of a cluster, each with an agent, on one link; their documents are in a folder. */

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import type { AgentStatus } from "../src/core/agent-status.ts";
import { createNamedNetns } from "../src/linux/netns.ts";
import type { Chain, ChainPlugin } from "./chain.ts";
import { agentLog, agentSocket, type BenchHost, makeHost, type Side, shell, startAgent } from "./host.ts";

export interface Node {
  readonly name: string;
  readonly host: BenchHost;
  /** In the fabric. */
  readonly address: string;
  readonly agent: Bun.Subprocess;
}

export interface Cluster {
  readonly nodes: readonly Node[];
  /** The folder of its documents. */
  readonly store: string;
}

export interface ClusterOptions {
  readonly mode?: "host-gw" | "vxlan";
  readonly nodes?: number;
  readonly subnet?: string;
}

const POD_SUBNET = "10.244.0.0/16";

let count = 0;

/** A cluster whose nodes are all ready. The sides of the nodes' hosts are named as the given one. */
export async function makeCluster(side: Side, options: ClusterOptions = {}): Promise<Cluster> {
  const { mode = "host-gw", nodes: number = 1, subnet = POD_SUBNET } = options;
  const hosts = makeFabric(side, number);
  const store = `${hosts[0]?.host.folder}/store`;
  mkdirSync(store);
  const nodes: Node[] = [];
  for (const { host, address } of hosts) {
    const name = `node${nodes.length + 1}`;
    const config = { node: name, network: host.network, store: `dir:${store}`, mode, subnet: [subnet] };
    const agent = startAgent(side.agent ?? "", host, { ...config, addresses: [`${address}/16`], masquerade: false });
    nodes.push({ name, host, address, agent });
    await untilReady(host);
  }
  return { nodes, store };
}

export interface FabricHost {
  readonly host: BenchHost;
  readonly address: string;
}

/** Hosts without agents that are ports of one bridge in a namespace of its own. */
export function makeFabric({ name, plugins }: Side, number: number): FabricHost[] {
  count++;
  const fabric = { netns: createNamedNetns(`fabric${count}`) };
  shell(fabric, "ip link add br0 type bridge && ip link set br0 up");
  return Array.from({ length: number }, (_, i) => {
    const host = makeHost({ name, plugins });
    const address = `172.20.0.${i + 1}`;
    shell(host, `ip link add up0 type veth peer name port${i} netns fabric${count} && ip link set up0 up`);
    shell(host, `ip address add ${address}/16 dev up0`);
    shell(fabric, `ip link set port${i} master br0 up`);
    return { host, address };
  });
}

/** A chain of the cluster's plugin alone. */
export function clusterChain(more: Partial<ChainPlugin> = {}): Chain {
  return { plugins: [{ type: "tendril", ...more }] };
}

/** How a host's agent says that it is; undefined while it does not serve yet. */
export async function statusOf(host: BenchHost): Promise<AgentStatus | undefined> {
  try {
    const answer = await fetch("http://agent/status", { unix: agentSocket(host) });
    return (await answer.json()) as AgentStatus;
  } catch {
    return undefined;
  }
}

/** Waits until a node's agent can serve. */
export async function untilReady(host: BenchHost): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await statusOf(host))?.ready) {
    if (performance.now() > deadline) throw new Error(`The node does not become ready: ${agentLog(host)}`);
    await Bun.sleep(20);
  }
}

/** How often documents of each kind have been written, by the journal of the folder that they are in. */
export function writesOf(store: string): ReadonlyMap<string, number> {
  const [, ...lines] = readFileSync(`${store}/journal`, "utf8").split("\n");
  const writes = new Map<string, number>();
  for (const line of lines) {
    const [kind = ""] = line.split("/");
    if (kind !== "") writes.set(kind, (writes.get(kind) ?? 0) + 1);
  }
  return writes;
}

/** Processor time of a process by now, all of its threads, in milliseconds. @see Documentation/scheduler/sched-stats */
export function processorTime(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.reduce((sum, task) => {
    const [ran = ""] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ");
    return sum + Number(ran) / 1e6;
  }, 0);
}

/** Resident memory of a process in MB: all of it, and what is its own and no file's. @see proc_pid_status(5) */
export function memoryOf(pid: number): { readonly all: number; readonly own: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1000;
  return { all: field("VmRSS"), own: field("RssAnon") };
}
