/**
 * Pods, attached the way a container runtime does it: by executing the CNI plugin, in the network namespace of the node,
 * with environment variables and the configuration on standard input.
 * @see https://www.cni.dev/docs/spec/#section-2-execution-protocol
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parsePath } from "../cni/environment.ts";
import { findExecutable, runExecutable } from "../cni/executable.ts";
import type { Attachment } from "../cni/runtime/attachment.ts";
import { loadNetwork } from "../cni/runtime/network.ts";
import { addNetwork, checkNetwork, delNetwork, type Runtime } from "../cni/runtime/operations.ts";
import { TendrilError } from "../core/errors.ts";
import type { Resource } from "../core/plan.ts";
import type { NetworkConfig } from "../core/plugin.ts";
import type { Result } from "../core/result.ts";
import { readTextIfExists, removeFileIfExists, writeFileAtomic } from "../linux/file.ts";
import { closeNetns, inNetns, namedNetnsPath, openNetns } from "../linux/netns.ts";
import { readRecord as readAttachmentRecord } from "../plan/record.ts";
import { agentConfigPath } from "./agent-config.ts";
import { bare, type Lab, type LabNode } from "./lab.ts";
import { configFolder, netnsName, networkName, nodeFolder, POD_BRIDGE, stateFolder, UPLINK } from "./names.ts";

const CNI_VERSION = "1.1.0";
/** What attaches pods without agents, and with them. */
const STATIC_PLUGIN = "bridge";
const AGENT_PLUGIN = "tendril";

/** A pod and what is needed to call plugins for it. */
export interface Pod {
  readonly lab: string;
  readonly node: LabNode;
  readonly name: string;
}

/** The network configuration of a node without agent: a bridge, and addresses of its own part of the pods' networks. */
export function networkConfig(lab: string, node: LabNode): NetworkConfig {
  return {
    cniVersion: CNI_VERSION,
    name: networkName(lab),
    type: STATIC_PLUGIN,
    bridge: POD_BRIDGE,
    isDefaultGateway: true,
    // The plugin would masquerade all that leaves the node's own subnet, also what goes to pods of other nodes.
    ipMasq: false,
    ipam: {
      type: "host-local",
      dataDir: `${nodeFolder(lab, node.name)}/leases`,
      ranges: node.podSubnets.map((subnet) => [{ subnet }]),
    },
  };
}

/** Leaves the configuration where `tendril add` and cnitool find it by NETCONFPATH. Throws FileError. */
export function writeNetworkConfig(lab: string, node: LabNode): void {
  const { cniVersion, name, ...plugin } = networkConfig(lab, node);
  const list = { cniVersion, name, plugins: [plugin] };
  writeFileAtomic(`${configFolder(lab, node.name)}/${name}.conflist`, `${JSON.stringify(list, undefined, 2)}\n`);
}

/** The environment variables by which programs on a node find its state, its networks and its plugins. */
export function nodeEnvironment(lab: string, node: string, plugins: string): Record<string, string> {
  return {
    TENDRIL_RUN_DIR: nodeFolder(lab, node),
    TENDRIL_STATE_DIR: stateFolder(lab, node),
    TENDRIL_CACHE_DIR: cacheFolder(lab, node),
    TENDRIL_AGENT_CONFIG: agentConfigPath(lab, node),
    NETCONFPATH: configFolder(lab, node),
    CNI_PATH: plugins,
  };
}

/** Attaches a pod and keeps the result. Throws TendrilError with the plugin's own message. */
export function attachPod(pod: Pod, plugins: string): Result {
  return telling("attach", pod, () => {
    const result = addNetwork(networkOf(pod), attachmentOf(pod), runtimeOf(pod, plugins));
    writeFileAtomic(resultPath(pod), `${JSON.stringify(result)}\n`);
    return result;
  });
}

/** Detaches a pod. It is not an error when it is not attached. Throws TendrilError with the plugin's own message. */
export function detachPod(pod: Pod, plugins: string): void {
  telling("detach", pod, () => delNetwork(networkOf(pod), attachmentOf(pod), runtimeOf(pod, plugins)));
  removeFileIfExists(resultPath(pod));
}

/** What CHECK finds wrong with a pod's attachment; undefined when nothing. */
export function checkPod(pod: Pod, plugins: string): string | undefined {
  if (readResult(pod) === undefined) return "it was never attached";
  try {
    checkNetwork(networkOf(pod), attachmentOf(pod), runtimeOf(pod, plugins));
    return undefined;
  } catch (error) {
    if (error instanceof TendrilError) return error.message;
    throw error;
  }
}

/** The result of a pod's attachment; undefined when it was never attached. Throws FileError. */
export function readResult(pod: Pod): Result | undefined {
  const source = readTextIfExists(resultPath(pod));
  return source === undefined ? undefined : (JSON.parse(source) as Result);
}

/** The addresses of a pod, without prefix length. */
export function podAddresses(result: Result): string[] {
  return (result.ips ?? []).map(({ address }) => bare(address));
}

/** What the plugin has made for a pod; undefined when it left no record that we can read, as other vendors' do not. */
export function podResources(pod: Pod): readonly Resource[] | undefined {
  const folder = nodeFolder(pod.lab, pod.node.name);
  const key = { network: networkName(pod.lab), containerId: podNetnsName(pod), ifname: UPLINK };
  for (const plugin of [STATIC_PLUGIN, AGENT_PLUGIN]) {
    const record = readAttachmentRecord(folder, { key, plugin }, () => {});
    if (record !== undefined) return record.resources;
  }
  return undefined;
}

export function podNetnsName({ lab, node, name }: Pod): string {
  return netnsName(lab, `${node.name}/${name}`);
}

/** As whom the agent knows a pod, in the form of Kubernetes: namespace and name. */
export function podIdentity({ node, name }: Pick<Pod, "node" | "name">): string {
  return node.identities?.[name] ?? `default/${node.name}-${name}`;
}

/** The folder of results, as libcni keeps them. */
function cacheFolder(lab: string, node: string): string {
  return `${nodeFolder(lab, node)}/cache`;
}

/** Of the node: written by the lab, or by the agent once it is ready. */
function networkOf({ lab, node }: Pod) {
  return loadNetwork(configFolder(lab, node.name), networkName(lab));
}

function attachmentOf(pod: Pod): Attachment {
  const id = podNetnsName(pod);
  const [namespace = "", name = ""] = podIdentity(pod).split("/");
  return {
    containerId: id,
    netns: namedNetnsPath(id),
    ifname: UPLINK,
    args: [
      ["IgnoreUnknown", "1"],
      ["K8S_POD_NAMESPACE", namespace],
      ["K8S_POD_NAME", name],
    ],
    capabilityArgs: {},
  };
}

/** Executes plugins in the network namespace of the pod's node. */
function runtimeOf({ lab, node }: Pod, plugins: string): Runtime {
  const inherited = {
    PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin",
    ...nodeEnvironment(lab, node.name, plugins),
  };
  return {
    path: [plugins],
    cacheFolder: cacheFolder(lab, node.name),
    warn: (sentence) => console.error(sentence),
    run: (type, _verb, env, stdin) => {
      const path = findExecutable(type, parsePath(env.CNI_PATH ?? ""));
      const netns = openNetns(namedNetnsPath(netnsName(lab, node.name)));
      try {
        // A child lives in the network namespace of the thread that starts it.
        return inNetns(netns, () => runExecutable(path, { ...inherited, ...env }, stdin));
      } finally {
        closeNetns(netns);
      }
    },
  };
}

/** Runs work whose error names the pod. */
function telling<T>(action: string, { node, name }: Pod, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TendrilError)) throw error;
    const { message, details } = error;
    const more = details === undefined ? {} : { details };
    throw new TendrilError(`Cannot ${action} pod "${node.name}/${name}": ${message}`, { cause: error, ...more });
  }
}

function resultPath({ lab, node, name }: Pod): string {
  return `${nodeFolder(lab, node.name)}/results/${name}.json`;
}

/**
 * The folder of the CNI plugins: the one given, else the first of CNI_PATH that has them, else the one beside the
 * running executable. Throws TendrilError when it lacks the plugin that attaches the lab's pods.
 */
export function findPlugins({ cluster }: Pick<Lab, "cluster">, given: string | undefined, executable: string): string {
  const plugin = cluster === undefined ? STATIC_PLUGIN : AGENT_PLUGIN;
  const beside = join(executable, "..", "cni");
  const candidates = given === undefined ? [...(process.env.CNI_PATH ?? "").split(":"), beside] : [given];
  const found = candidates.find((folder) => folder !== "" && existsSync(join(folder, plugin)));
  if (found !== undefined) return found;
  throw new TendrilError(`There is no CNI plugin "${plugin}" in ${candidates.filter((c) => c !== "").join(", ")}`, {
    details: "`npm run build` makes dist/cni; `--plugins DIR` names another folder.",
  });
}
