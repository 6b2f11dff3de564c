/** Changes of a lab that is up: pods and nodes that come and go. */

import { rmSync } from "node:fs";
import { ConflictError, TendrilError } from "../core/errors.ts";
import type { Result } from "../core/result.ts";
import { closeNetns, createNamedNetns, deleteNamedNetns } from "../linux/netns.ts";
import { planJoiningNode } from "./address-plan.ts";
import { startAgent } from "./agent-process.ts";
import { waitForAgent } from "./agent-status.ts";
import { attachPod, detachPod, readResult } from "./attachment.ts";
import { type Lab, type LabNode, nodeNamed } from "./lab.ts";
import { removeLink, setLink } from "./link-state.ts";
import { applyStage } from "./machine.ts";
import { labFolder, netnsName, nodeFolder } from "./names.ts";
import { killProcesses } from "./processes.ts";
import { type LabRecord, lockLab, netnsNamesOf, requireRecord, writeRecord } from "./record.ts";
import { planNode } from "./stages.ts";
import { AGENT_MS } from "./up.ts";

export interface PodOptions {
  /** As whom its agent knows it, `namespace/name`. */
  readonly identity?: string | undefined;
}

/** Makes a pod on a node and attaches it; when that fails nothing is left of it. Throws TendrilError. */
export function addPod(lab: string, path: string, { identity }: PodOptions = {}): Result {
  return changing(lab, (record) => {
    const { node, name } = partsOf(record.lab, path);
    if (node.pods.includes(name)) throw new ConflictError(`There is a pod "${path}" already`);
    const known = identity === undefined ? {} : { identities: { ...node.identities, [name]: identity } };
    const changed = { ...node, pods: [...node.pods, name], ...known };
    const netns = netnsName(lab, path);
    closeNetns(createNamedNetns(netns));
    try {
      setLink(netns, "lo", "up");
      const result = attachPod({ lab, node: changed, name }, record.plugins);
      writeRecord(withNode(record, changed));
      return result;
    } catch (error) {
      deleteNamedNetns(netns);
      throw error;
    }
  });
}

/** Detaches a pod and removes it. Throws TendrilError; the pod is then still there. */
export function deletePod(lab: string, path: string): void {
  changing(lab, (record) => {
    const { node, name } = partsOf(record.lab, path);
    if (!node.pods.includes(name)) throw new TendrilError(`Lab "${lab}" has no pod "${path}"`);
    detachPod({ lab, node, name }, record.plugins);
    deleteNamedNetns(netnsName(lab, path));
    const { [name]: _, ...identities } = node.identities ?? {};
    writeRecord(withNode(record, { ...node, pods: node.pods.filter((each) => each !== name), identities }));
  });
}

export interface JoiningNode {
  readonly name: string;
  readonly subnet: string;
  /** With prefix length; the next free numbers of the subnet unless given. */
  readonly addresses?: readonly string[];
}

/** Makes a node, starts its agent and waits until it is ready. Pods are added to it later. Throws TendrilError. */
export async function addNode(lab: string, joining: JoiningNode): Promise<LabNode> {
  const node = changing(lab, (record) => {
    requireAgents(record.lab);
    const planned = planJoiningNode(record.lab, { name: joining.name, subnet: joining.subnet, pods: [] });
    const made = joining.addresses === undefined ? planned : { ...planned, addresses: joining.addresses };
    closeNetns(createNamedNetns(netnsName(lab, made.name)));
    applyStage(lab, labFolder(lab), planNode(record.lab, made));
    const changed = { ...record, lab: { ...record.lab, nodes: [...record.lab.nodes, made] } };
    writeRecord(changed);
    startAgent(changed, made);
    return made;
  });
  await waitForAgent(lab, node.name, { within: AGENT_MS });
  return node;
}

export interface LossOptions {
  /** Its disk is lost too; else a node of that name which comes again finds what its agent knew. */
  readonly disk?: boolean;
}

/** Takes a node away as a power cut does: its processes, pods and namespaces, without a word to anybody. */
export function removeNode(lab: string, name: string, { disk = true }: LossOptions = {}): void {
  changing(lab, (record) => {
    requireAgents(record.lab);
    const node = requireNode(record.lab, name);
    const own = netnsName(lab, name);
    const names = netnsNamesOf(lab).filter((each) => each === own || each.startsWith(`${own}.`));
    killProcesses(names);
    // The links of a namespace go some time after it: one that comes again would find its port in use.
    removeLink(netnsName(lab, node.subnet), name);
    for (const each of names) deleteNamedNetns(each);
    removeFiles(lab, name, disk);
    writeRecord({ ...record, lab: { ...record.lab, nodes: record.lab.nodes.filter((each) => each !== node) } });
  });
}

/** What lies in /run goes with the power; what lies on the disk may stay. */
function removeFiles(lab: string, node: string, disk: boolean): void {
  const folder = nodeFolder(lab, node);
  if (disk) rmSync(folder, { recursive: true, force: true });
  const volatile = ["attachments", "results", "cache", "agent.sock", "agent.pid"];
  for (const name of volatile) rmSync(`${folder}/${name}`, { recursive: true, force: true });
}

/** What a pod has; undefined when it is not attached. */
export function podResult(lab: Lab, path: string): Result | undefined {
  const { node, name } = partsOf(lab, path);
  return readResult({ lab: lab.name, node, name });
}

/** The node of a name. Throws TendrilError, which names those that there are. */
export function requireNode(lab: Lab, name: string): LabNode {
  const node = nodeNamed(lab, name);
  if (node !== undefined) return node;
  const known = lab.nodes.map((each) => each.name).join(", ");
  throw new TendrilError(`Lab "${lab.name}" has no node "${name}"`, { details: `There are ${known}.` });
}

/** Throws TendrilError for a lab without agents. */
export function requireAgents({ name, cluster }: Lab): void {
  if (cluster !== undefined) return;
  throw new TendrilError(`The nodes of lab "${name}" run no agents, their routes are static`, {
    details: "`mode: vxlan` in the lab file, or `tendril lab up --mode vxlan`, makes a lab with agents.",
  });
}

function partsOf(lab: Lab, path: string): { node: LabNode; name: string } {
  const [node = "", name = "", ...rest] = path.split("/");
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name) || rest.length > 0) {
    throw new TendrilError(`"${path}" does not name a pod: it is NODE/NAME, of lower-case letters, digits and hyphens`);
  }
  return { node: requireNode(lab, node), name };
}

function withNode(record: LabRecord, node: LabNode): LabRecord {
  const nodes = record.lab.nodes.map((each) => (each.name === node.name ? node : each));
  return { ...record, lab: { ...record.lab, nodes } };
}

/** Works on a lab while no other command does. */
function changing<T>(lab: string, work: (record: LabRecord) => T): T {
  const unlock = lockLab(lab);
  try {
    return work(requireRecord(lab));
  } finally {
    unlock();
  }
}
