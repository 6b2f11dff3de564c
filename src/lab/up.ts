/** Makes a lab. */

import { ConflictError, TendrilError } from "../core/errors.ts";
import { closeNetns, createNamedNetns } from "../linux/netns.ts";
import { routerSpeaksBgp } from "./agent-config.ts";
import { startAgent } from "./agent-process.ts";
import { missingWays, waitForAgent, waitUntil } from "./agent-status.ts";
import { attachPod, podAddresses, writeNetworkConfig } from "./attachment.ts";
import { startStore } from "./cluster-store.ts";
import { removeLab } from "./down.ts";
import { type Lab, members } from "./lab.ts";
import { setLink } from "./link-state.ts";
import { applyStage } from "./machine.ts";
import { refuseMode } from "./mode-support.ts";
import { labFolder, netnsName } from "./names.ts";
import {
  halfFinished,
  type LabRecord,
  lockLab,
  netnsNamesOf,
  newRecord,
  readRecord,
  requireRecord,
  writeRecord,
} from "./record.ts";
import { startRouterBgp } from "./router-bgp.ts";
import { planStages } from "./stages.ts";

/** How long agents have to come up, and then to learn of each other, in milliseconds. */
export const AGENT_MS = 30_000;

export interface UpOptions {
  /** The folder of the CNI plugins. */
  readonly plugins: string;
  /** The command that is this program: by it the agents are started. */
  readonly program: readonly string[];
  /** Told after each thing that has been made. */
  readonly progress?: (done: string) => void;
  /** Ends it early; what has been made is taken down again. */
  readonly signal?: AbortSignal;
}

/**
 * Makes a lab and attaches its pods. What fails, or is interrupted, is taken down again. Throws ConflictError when it
 * is up already.
 */
export async function bringUp(lab: Lab, options: UpOptions): Promise<LabRecord> {
  const unlock = lockLab(lab.name);
  try {
    if (readRecord(lab.name) !== undefined || netnsNamesOf(lab.name).length > 0) refuse(lab.name);
    try {
      await make(newRecord(lab, options), options);
    } catch (error) {
      removeLab(lab.name);
      throw error;
    }
  } finally {
    unlock();
  }
  return requireRecord(lab.name);
}

function refuse(lab: string): never {
  if (readRecord(lab)?.state !== "complete") throw halfFinished(lab);
  throw new ConflictError(`Lab "${lab}" is up already`, {
    details: `\`tendril lab status --lab ${lab}\` shows it, \`tendril lab down --lab ${lab}\` takes it down.`,
  });
}

async function make(record: LabRecord, { progress = () => {}, signal }: UpOptions): Promise<void> {
  const { lab, plugins } = record;
  /** Lets signals be heard between two steps. */
  const done = async (what: string) => {
    progress(what);
    await Bun.sleep(0);
    if (signal?.aborted) throw new TendrilError(`Making lab "${lab.name}" was interrupted`);
  };
  writeRecord(record);
  const names = members(lab);
  for (const member of names) closeNetns(createNamedNetns(netnsName(lab.name, member)));
  await done(`${names.length} network namespaces tendril-${lab.name}-*`);
  refuseMode(lab);
  for (const stage of planStages(lab)) {
    applyStage(lab.name, labFolder(lab.name), stage);
    await done(stage.title);
  }
  if (lab.cluster === undefined) for (const node of lab.nodes) writeNetworkConfig(lab.name, node);
  else await startCluster(record, done, signal);
  for (const node of lab.nodes) {
    for (const name of node.pods) {
      setLink(netnsName(lab.name, `${node.name}/${name}`), "lo", "up");
      const result = attachPod({ lab: lab.name, node, name }, plugins);
      await done(`pod ${node.name}/${name}: ${podAddresses(result).join(" and ")}`);
    }
  }
  if (lab.cluster !== undefined) {
    await waitForWays(lab, signal);
    await done("all nodes know where all pods are");
  }
  writeRecord({ ...record, state: "complete" });
}

async function startCluster(
  record: LabRecord,
  done: (what: string) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { lab } = record;
  await startStore(lab);
  await done(lab.cluster?.store === "etcd" ? "store: etcd in the router's namespace" : "store: a folder of the lab's");
  if (routerSpeaksBgp(lab)) {
    startRouterBgp(lab);
    await done("router: BIRD, which learns from the nodes where the pods are");
  }
  // All at once: each waits for the store more than it works.
  for (const node of lab.nodes) startAgent(record, node);
  for (const node of lab.nodes) {
    const { mtu } = await waitForAgent(lab.name, node.name, { within: AGENT_MS, signal });
    await done(`agent of ${node.name} is ready, mode ${lab.cluster?.mode}, pods' MTU ${mtu}`);
  }
}

/** Waits until each agent knows the way to all pods. Throws TendrilError. */
export function waitForWays(lab: Lab, signal?: AbortSignal, except: readonly string[] = []): Promise<void> {
  const patience = { within: AGENT_MS, signal };
  return waitUntil("all nodes know where all pods are", () => missingWays(lab, except), patience);
}
