/**
 * Pods, attached the way a container runtime does it: by executing the CNI plugin, in the network namespace of the node,
 * with environment variables and the configuration on standard input.
 * @see https://www.cni.dev/docs/spec/#section-2-execution-protocol
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Outcome, readResult as parseAnswer, readAnswer, runExecutable } from "../cni/executable.ts";
import { TendrilError } from "../core/errors.ts";
import type { Resource } from "../core/plan.ts";
import type { NetworkConfig } from "../core/plugin.ts";
import type { Result } from "../core/result.ts";
import { readTextIfExists, writeFileAtomic } from "../linux/file.ts";
import { closeNetns, inNetns, namedNetnsPath, openNetns } from "../linux/netns.ts";
import { readRecord as readAttachmentRecord } from "../plan/record.ts";
import { bare, type LabNode } from "./lab.ts";
import { netnsName, networkName, nodeFolder, POD_BRIDGE, UPLINK } from "./names.ts";

const CNI_VERSION = "1.1.0";
const PLUGIN = "bridge";

/** A pod and what is needed to call plugins for it. */
export interface Pod {
  readonly lab: string;
  readonly node: LabNode;
  readonly name: string;
}

/** The network configuration of a node's pods: a bridge, and addresses of its own part of the pods' networks. */
export function networkConfig(lab: string, node: LabNode): NetworkConfig {
  return {
    cniVersion: CNI_VERSION,
    name: networkName(lab),
    type: PLUGIN,
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

function configFolder(lab: string, node: string): string {
  return `${nodeFolder(lab, node)}/net.d`;
}

/** The environment variables by which programs on a node find its state, its networks and its plugins. */
export function nodeEnvironment(lab: string, node: string, plugins: string): Record<string, string> {
  return {
    TENDRIL_RUN_DIR: nodeFolder(lab, node),
    NETCONFPATH: configFolder(lab, node),
    CNI_PATH: plugins,
  };
}

/** Attaches a pod and keeps the result. Throws TendrilError with the plugin's own message. */
export function attachPod(pod: Pod, plugins: string): Result {
  try {
    const result = parseAnswer(PLUGIN, callPlugin("ADD", pod, plugins), CNI_VERSION);
    writeFileAtomic(resultPath(pod), `${JSON.stringify(result)}\n`);
    return result;
  } catch (error) {
    if (!(error instanceof TendrilError)) throw error;
    const { message, details } = error;
    const more = details === undefined ? {} : { details };
    throw new TendrilError(`Cannot attach pod "${pod.node.name}/${pod.name}": ${message}`, { cause: error, ...more });
  }
}

/** What CHECK finds wrong with a pod's attachment; undefined when nothing. */
export function checkPod(pod: Pod, plugins: string): string | undefined {
  const result = readResult(pod);
  if (result === undefined) return "it was never attached";
  try {
    callPlugin("CHECK", pod, plugins, result);
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
  return readAttachmentRecord(folder, { key, plugin: PLUGIN }, () => {})?.resources;
}

export function podNetnsName({ lab, node, name }: Pod): string {
  return netnsName(lab, `${node.name}/${name}`);
}

/** Executes the plugin. Throws DelegateError or PluginFailureError when it fails. */
function callPlugin(verb: "ADD" | "CHECK", pod: Pod, plugins: string, prevResult?: Result): Outcome {
  const { lab, node } = pod;
  const config = { ...networkConfig(lab, node), ...(prevResult === undefined ? {} : { prevResult }) };
  const id = podNetnsName(pod);
  const variables = {
    PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin",
    CNI_COMMAND: verb,
    CNI_CONTAINERID: id,
    CNI_NETNS: namedNetnsPath(id),
    CNI_IFNAME: UPLINK,
    ...nodeEnvironment(lab, node.name, plugins),
  };
  const netns = openNetns(namedNetnsPath(netnsName(lab, node.name)));
  try {
    // A child lives in the network namespace of the thread that starts it.
    const outcome = inNetns(netns, () => runExecutable(join(plugins, PLUGIN), variables, JSON.stringify(config)));
    readAnswer(PLUGIN, verb, outcome);
    return outcome;
  } finally {
    closeNetns(netns);
  }
}

function resultPath({ lab, node, name }: Pod): string {
  return `${nodeFolder(lab, node.name)}/results/${name}.json`;
}

/**
 * The folder of the CNI plugins: the one given, else the first of CNI_PATH that has them, else the one beside the
 * running executable. Throws TendrilError when it has no bridge plugin.
 */
export function findPlugins(given: string | undefined, executable: string): string {
  const beside = join(executable, "..", "cni");
  const candidates = given === undefined ? [...(process.env.CNI_PATH ?? "").split(":"), beside] : [given];
  const found = candidates.find((folder) => folder !== "" && existsSync(join(folder, PLUGIN)));
  if (found !== undefined) return found;
  throw new TendrilError(`There is no CNI plugin "${PLUGIN}" in ${candidates.filter((c) => c !== "").join(", ")}`, {
    details: "`npm run build` makes dist/cni; `--plugins DIR` names another folder.",
  });
}
