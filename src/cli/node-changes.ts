/** The operator's word that a node is gone for good. */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import { giveUpNode, Reclaim } from "../cluster/reclaim.ts";
import type { NodeRecord } from "../core/cluster.ts";
import { ConflictError, TendrilError } from "../core/errors.ts";
import type { Document } from "../store/collection.ts";

export interface ForgetOptions {
  /**
   * Milliseconds for which the node's heartbeat must stand still: no less than the agents' grace period with a
   * heartbeat, else an agent that is only slow could go on giving addresses that are another's by then. 0 is for who
   * knows that the machine is off.
   */
  readonly patience: number;
  readonly sleep: (milliseconds: number) => Promise<void>;
}

export interface Forgotten {
  readonly node: string;
  readonly epoch: number;
  /** The blocks that are free again. */
  readonly freed: readonly string[];
}

/**
 * Gives a node up as the other agents would do in time, and frees its blocks. Throws ConflictError when the node is
 * alive, TendrilError when there is none of this name.
 */
export async function forgetNode(
  cluster: ClusterStore,
  name: string,
  { patience, sleep }: ForgetOptions,
): Promise<Forgotten> {
  const { nodes, heartbeats, blocks } = cluster;
  const node = await existing(cluster, name);
  if (!node.value.gone) {
    const sign = await heartbeats.get(name);
    if (sign !== undefined) await sleep(patience);
    if (!(await giveUpNode(cluster, node, sign)) && !(await nodes.get(name))?.value.gone) {
      throw new ConflictError(`Node "${name}" is alive: it has written to the store meanwhile`, {
        details: "Stop its agent first.",
      });
    }
  }
  const ofNode = async () =>
    [...(await blocks.list()).values()].filter(({ value }) => value.node === name).map(({ value }) => value.cidr);
  const before = await ofNode();
  // Without patience for nobody: who is silent only for now stays.
  await new Reclaim(cluster, { clock: () => 0, patience: Number.POSITIVE_INFINITY }).look();
  const left = await ofNode();
  const { epoch } = (await existing(cluster, name)).value;
  return { node: name, epoch, freed: before.filter((cidr) => !left.includes(cidr)) };
}

async function existing({ nodes }: ClusterStore, name: string): Promise<Document<NodeRecord>> {
  const all = await nodes.list();
  const node = all.get(name);
  if (node !== undefined) return node;
  const details = all.size === 0 ? "There is none at all." : `There are ${[...all.keys()].join(", ")}.`;
  throw new TendrilError(`There is no node "${name}"`, { details });
}
