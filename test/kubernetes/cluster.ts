/**
 * A real Kubernetes cluster on this machine: a control plane and nodes, each a machine in namespaces, on a fabric of two
 * subnets with a router between them. It has no network for pods: that is for who starts it to install.
 */

import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Family } from "../../src/core/ip.ts";
import { bare, type Lab, nodeNamed } from "../../src/lab/lab.ts";
import { netnsName } from "../../src/lab/names.ts";
import { namedNetnsPath } from "../../src/linux/netns.ts";
import { type Finished, finish, outputOf, type RunOptions } from "../support/command.ts";
import { type ControlPlane, makeControlPlane } from "./control-plane.ts";
import { OWNER, sweep, takeDown } from "./down.ts";
import {
  addressesOf,
  type FabricNode,
  makeFabric,
  planFabric,
  plugIn,
  unplug,
  withNode,
  withoutNode,
} from "./fabric.ts";
import { startWithImages } from "./image-store.ts";
import { bootMachine, type Machine } from "./machine.ts";
import { CONTROL, cgroupName, clusterFolder, diskFolder, fabricName } from "./names.ts";
import { until } from "./until.ts";
import { makeWorker, type Worker, type WorkerOptions } from "./worker.ts";

export interface NodeOptions extends FabricNode, Pick<WorkerOptions, "taints"> {}

export interface ClusterOptions {
  /** Letters and digits; several clusters of other names may run at once. */
  readonly name: string;
  /** Each in the subnet "rack1" or "rack2". */
  readonly nodes: readonly NodeOptions[];
  /** The folder of Kubernetes' programs. */
  readonly programs: string;
  /** The main one first; IPv4 alone unless given. */
  readonly families?: readonly Family[];
  readonly kubeProxyMode?: WorkerOptions["kubeProxyMode"];
  readonly allocateNodeCidrs?: boolean;
  readonly containerd?: WorkerOptions["containerd"];
  readonly kubelet?: WorkerOptions["kubelet"];
  /** More arguments of the control plane's programs, by their names. */
  readonly flags?: Readonly<Record<string, readonly string[]>>;
  /** Leaves it running when this process ends. */
  readonly keep?: boolean;
  /** Told after each thing that is there. */
  readonly progress?: (done: string) => void;
}

export interface Cluster {
  readonly name: string;
  readonly families: readonly Family[];
  readonly control: ControlPlane;
  /** The addresses of the host beyond the router, in the order of the families. */
  readonly outside: readonly string[];
  /** What kubectl prints. Throws with what it said when it fails. */
  kubectl(...args: readonly string[]): Promise<string>;
  /** How kubectl is run, in the network of the control plane. */
  readonly kubectlCommand: readonly string[];
  /** What kubectl does, whatever comes of it. */
  tryKubectl(args: readonly string[], options?: RunOptions): Promise<Finished>;
  /** Applies objects, or a manifest in YAML or JSON. */
  apply(manifest: string | object | readonly object[]): Promise<void>;
  /** Parsed objects: `get("pods", "-A")` gives the list, `get("pod", "web")` one. */
  get<T>(kind: string, ...args: readonly string[]): Promise<T>;
  /** The output of a command in a pod, `NAMESPACE/NAME` or `NAME`. */
  exec(pod: string, command: readonly string[]): Promise<string>;
  logs(pod: string, ...args: readonly string[]): Promise<string>;
  /** A node that there is; another object after each boot. */
  node(name: string): Worker;
  nodes(): readonly Worker[];
  /** The subnet that a node is in, which is a member of the fabric too: its switch. */
  subnetOf(node: string): string;
  /** Boots a node more, which registers by itself. */
  addNode(node: NodeOptions): Promise<Worker>;
  /** Switches a node off, as a power cut does, and on again: its processes, pods and links are gone, its disk is kept. */
  reboot(name: string): Promise<Worker>;
  /** Switches a node off for good, its disk included. What the apiserver knows of it stays. */
  removeNode(name: string): Promise<void>;
  /** Runs a command in the namespace of any member of the fabric, such as "outside", with this machine's files. */
  at(member: string, command: readonly string[], options?: RunOptions): Promise<Finished>;
  /** The path of a member's network namespace. */
  netns(member: string): string;
  /** Waits until all nodes are Ready. */
  ready(within?: number): Promise<void>;
  /** Takes all of it away. */
  stop(): Promise<void>;
}

/** Starts a cluster and waits until its nodes have registered. When that fails nothing is left of it. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  await sweep();
  const { name, keep = false } = options;
  const folder = clusterFolder(name);
  if (existsSync(folder)) throw new Error(`Cluster "${name}" is up already`);
  mkdirSync(folder, { recursive: true });
  if (!keep) writeFileSync(join(folder, OWNER), String(process.pid));
  try {
    return await start(options, folder);
  } catch (error) {
    await takeDown(name);
    throw error;
  }
}

async function start(options: ClusterOptions, folder: string): Promise<Cluster> {
  const { name, programs, progress = () => {}, flags, allocateNodeCidrs = false } = options;
  const families = options.families ?? [4];
  const lab = planFabric(name, options.nodes, families);
  makeFabric(lab, folder);
  progress("the fabric");
  const control = await makeControlPlane({
    machine: await boot(options, CONTROL),
    addresses: addressesOf(lab, CONTROL),
    families,
    programs,
    folder: join(folder, "control-plane"),
    allocateNodeCidrs,
    ...(flags === undefined ? {} : { flags }),
  });
  await control.startEtcd();
  const workers = new Map<string, Worker>();
  const prepare = async (node: NodeOptions) => {
    workers.set(node.name, await prepareNode(options, control, lab, node));
    progress(`containerd of ${node.name}`);
  };
  await Promise.all([
    ...options.nodes.map(prepare),
    control.startApiserver().then(() => progress("kube-apiserver is ready")),
  ]);
  await Promise.all([
    control.startControllerManager(),
    control.startScheduler(),
    ...[...workers.values()].map(register),
  ]);
  const cluster = clusterOf(options, { lab, control, workers });
  await until("the nodes have registered", async () => {
    const { items } = await cluster.get<{ items: readonly object[] }>("nodes");
    return items.length === workers.size;
  });
  // No pod is admitted before the account that it runs under is there.
  await until("the default service account is there", async () => {
    const { exitCode } = await cluster.tryKubectl(["get", "serviceaccount", "default"]);
    return exitCode === 0;
  });
  progress("all nodes have registered");
  return cluster;
}

function boot({ name, keep = false }: ClusterOptions, machine: string): Promise<Machine> {
  const netns = netnsName(fabricName(name), machine);
  const cgroup = `${cgroupName(name)}/${machine}`;
  return bootMachine({ name: machine, netns, folder: diskFolder(name, machine), cgroup, keep });
}

/** Boots a node and has its containerd running, with the images. */
async function prepareNode(
  options: ClusterOptions,
  control: ControlPlane,
  lab: Lab,
  { name, taints }: NodeOptions,
): Promise<Worker> {
  const { programs, families = [4], kubeProxyMode = "nftables", containerd, kubelet } = options;
  const machine = await boot(options, name);
  const addresses = addressesOf(lab, name);
  const worker = await makeWorker({
    ...{ machine, control, addresses, families, programs },
    ...{ kubeProxyMode, containerd, kubelet, taints },
  });
  await startWithImages(worker, programs);
  return worker;
}

async function register(worker: Worker): Promise<void> {
  await Promise.all([worker.startKubelet(), worker.startKubeProxy()]);
}

interface Parts {
  readonly lab: Lab;
  readonly control: ControlPlane;
  readonly workers: Map<string, Worker>;
}

function clusterOf(options: ClusterOptions, parts: Parts): Cluster {
  const { name, families = [4] } = options;
  const { control, workers } = parts;
  const commands = kubectlOf(options, control);
  const { kubectl, tryKubectl } = commands;
  const node: Cluster["node"] = (wanted) => {
    const found = workers.get(wanted);
    if (found === undefined) throw new TypeError(`Cluster "${name}" has no node "${wanted}"`);
    return found;
  };
  return {
    ...{ name, families, control, ...commands, node },
    outside: parts.lab.outside?.addresses.map(bare) ?? [],
    nodes: () => [...workers.values()],
    ...changesOf(options, parts, node),
    async apply(manifest) {
      const items = Array.isArray(manifest) ? { apiVersion: "v1", kind: "List", items: manifest } : manifest;
      const input = typeof items === "string" ? items : JSON.stringify(items);
      await outputOf("kubectl", ["apply"], tryKubectl(["apply", "-f", "-"], { input }));
    },
    get: async (kind, ...args) => JSON.parse(await kubectl("get", kind, ...args, "-o", "json")),
    exec: (pod, command) => kubectl("exec", ...podArgs(pod), "--", ...command),
    logs: (pod, ...args) => kubectl("logs", ...podArgs(pod), ...args),
    async ready(within = 60_000) {
      const isReady = async () => {
        const path = `{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}`;
        const states = (await kubectl("get", "nodes", "-o", `jsonpath=${path}`)).trim().split("\n");
        return states.length === workers.size && states.every((state) => state === "True");
      };
      await until("all nodes are Ready", isReady, { within, details: () => kubectl("describe", "nodes") });
    },
    stop: () => takeDown(name),
  };
}

function kubectlOf(
  { name, programs }: ClusterOptions,
  control: ControlPlane,
): Pick<Cluster, "at" | "kubectl" | "kubectlCommand" | "netns" | "tryKubectl"> {
  const netns: Cluster["netns"] = (member) => namedNetnsPath(netnsName(fabricName(name), member));
  const at: Cluster["at"] = (member, command, more) => finish(["nsenter", `--net=${netns(member)}`, ...command], more);
  const cache = join(clusterFolder(name), "kubectl-cache");
  const kubectlCommand = [join(programs, "kubectl"), "--kubeconfig", control.kubeconfig, "--cache-dir", cache];
  const tryKubectl: Cluster["tryKubectl"] = (args, more) => at(CONTROL, [...kubectlCommand, ...args], more);
  return { at, kubectlCommand, netns, tryKubectl, kubectl: (...args) => outputOf("kubectl", args, tryKubectl(args)) };
}

/** Nodes that come and go. */
function changesOf(
  options: ClusterOptions,
  parts: Parts,
  node: Cluster["node"],
): Pick<Cluster, "addNode" | "reboot" | "removeNode" | "subnetOf"> {
  const { control, workers } = parts;
  let { lab } = parts;
  const folder = clusterFolder(options.name);
  const switchOn = async (added: NodeOptions) => {
    plugIn(lab, added.name, folder);
    const worker = await prepareNode(options, control, lab, added);
    workers.set(added.name, worker);
    await register(worker);
    return worker;
  };
  const switchOff = async (name: string) => {
    await node(name).machine.powerOff();
    unplug(lab, name);
    workers.delete(name);
  };
  const subnetOf: Cluster["subnetOf"] = (name) => nodeNamed(lab, name)?.subnet ?? "";
  return {
    subnetOf,
    addNode(added) {
      lab = withNode(lab, added);
      return switchOn(added);
    },
    async reboot(name) {
      await switchOff(name);
      return switchOn({ name, subnet: subnetOf(name) });
    },
    async removeNode(name) {
      await switchOff(name);
      lab = withoutNode(lab, name);
      rmSync(diskFolder(options.name, name), { recursive: true, force: true });
    },
  };
}

function podArgs(pod: string): string[] {
  const [namespace, name] = pod.includes("/") ? pod.split("/") : ["default", pod];
  return ["--namespace", namespace ?? "", name ?? ""];
}
