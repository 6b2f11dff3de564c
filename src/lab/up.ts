/** Makes a lab. */

import { ConflictError, TendrilError } from "../core/errors.ts";
import { changeLink, IFF_UP } from "../linux/netlink/rtnetlink/link/link.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../linux/netlink/socket.ts";
import { closeNetns, createNamedNetns, inNetns, namedNetnsPath, openNetns } from "../linux/netns.ts";
import { attachPod, podAddresses, writeNetworkConfig } from "./attachment.ts";
import { removeLab } from "./down.ts";
import { type Lab, members } from "./lab.ts";
import { applyStage } from "./machine.ts";
import { labFolder, netnsName } from "./names.ts";
import { halfFinished, lockLab, netnsNamesOf, newRecord, readRecord, writeRecord } from "./record.ts";
import { planStages } from "./stages.ts";

export interface UpOptions {
  /** The folder of the CNI plugins. */
  readonly plugins: string;
  /** Told after each thing that has been made. */
  readonly progress?: (done: string) => void;
  /** Ends it early; what has been made is taken down again. */
  readonly signal?: AbortSignal;
}

/**
 * Makes a lab and attaches its pods. What fails, or is interrupted, is taken down again. Throws ConflictError when it
 * is up already.
 */
export async function bringUp(lab: Lab, options: UpOptions): Promise<void> {
  const unlock = lockLab(lab.name);
  try {
    if (readRecord(lab.name) !== undefined || netnsNamesOf(lab.name).length > 0) refuse(lab.name);
    try {
      await make(lab, options);
    } catch (error) {
      removeLab(lab.name);
      throw error;
    }
  } finally {
    unlock();
  }
}

function refuse(lab: string): never {
  if (readRecord(lab)?.state !== "complete") throw halfFinished(lab);
  throw new ConflictError(`Lab "${lab}" is up already`, {
    details: `\`tendril lab status --lab ${lab}\` shows it, \`tendril lab down --lab ${lab}\` takes it down.`,
  });
}

async function make(lab: Lab, { plugins, progress = () => {}, signal }: UpOptions): Promise<void> {
  /** Lets signals be heard between two steps. */
  const done = async (what: string) => {
    progress(what);
    await Bun.sleep(0);
    if (signal?.aborted) throw new TendrilError(`Making lab "${lab.name}" was interrupted`);
  };
  writeRecord(newRecord(lab, plugins));
  const names = members(lab);
  for (const member of names) closeNetns(createNamedNetns(netnsName(lab.name, member)));
  await done(`${names.length} network namespaces tendril-${lab.name}-*`);
  for (const stage of planStages(lab)) {
    applyStage(lab.name, labFolder(lab.name), stage);
    await done(stage.title);
  }
  for (const node of lab.nodes) {
    writeNetworkConfig(lab.name, node);
    for (const name of node.pods) {
      setLoopbackUp(netnsName(lab.name, `${node.name}/${name}`));
      const result = attachPod({ lab: lab.name, node, name }, plugins);
      await done(`pod ${node.name}/${name}: ${podAddresses(result).join(" and ")}`);
    }
  }
  writeRecord({ ...newRecord(lab, plugins), state: "complete" });
}

/** What a container runtime does by the plugin `loopback`. */
function setLoopbackUp(name: string): void {
  const netns = openNetns(namedNetnsPath(name));
  try {
    const socket = inNetns(netns, () => new NetlinkSocket(NETLINK_ROUTE));
    try {
      socket.execute(changeLink({ name: "lo", flags: IFF_UP, change: IFF_UP }));
    } finally {
      socket.close();
    }
  } finally {
    closeNetns(netns);
  }
}
