/** What a node of a cluster adds to the calls that its agent serves. */

import type { ClusterNode } from "../agent/node.ts";
import { ConfigError, NotAvailableError, TryAgainError } from "../core/errors.ts";
import type { Call, Plugin } from "../core/plugin.ts";
import { keyOfCall, ownerName } from "../ipam/cluster/owner.ts";
import { clusterIpamTypes, clusterTypes, EXECUTABLE } from "../plugins/types.ts";
import type { ClusterCalls } from "./resident.ts";

export function clusterCalls(node: ClusterNode): ClusterCalls {
  const { plugin, whereabouts } = node.custody.ipam;
  const plugins = new Map([plugin, whereabouts].map((each) => [each.type, whileInCluster(node, each)]));
  return {
    ipam: (type) => plugins.get(type),
    prepare: (call) => prepare(node, call),
    complete: (type, config) => (clusterTypes.includes(type) ? complete(node, config) : config),
  };
}

/** The plugin, whose STATUS also tells what keeps the node from being one of the cluster. */
function whileInCluster(node: ClusterNode, plugin: Plugin): Plugin {
  return {
    ...plugin,
    status(call) {
      const { obstacles } = node;
      if (obstacles.length > 0) throw new NotAvailableError(obstacles.join("; "));
      plugin.status(call);
    },
  };
}

/** Addresses that the call's owner had before stay with it when the call fails. */
async function prepare(node: ClusterNode, call: Call): Promise<() => void> {
  if (!clusterIpamTypes.includes(call.config.ipam?.type ?? "")) return () => {};
  if (!node.network.isSettled) throw new TryAgainError(node.obstacles.join("; "));
  const owner = ownerName(keyOfCall(call));
  const isNew = node.table.of(owner).length === 0;
  const { ipam } = node.custody;
  await ipam.prepare(call);
  return () => {
    if (isNew) ipam.release(owner);
  };
}

/** The cluster's own IPAM plugin and the node's MTU and bridge, where the configuration does not say. Throws ConfigError. */
function complete({ config, network, pool }: ClusterNode, given: Record<string, unknown>): Record<string, unknown> {
  requireSame("mode", given.mode, config.mode);
  const completed: Record<string, unknown> = { ...given };
  completed.ipam ??= { type: EXECUTABLE, pool };
  completed.mtu ??= network.podMtu;
  completed.bridge ??= config.bridge;
  return completed;
}

function requireSame(field: string, given: unknown, own: string): void {
  if (given === undefined || given === "" || given === own) return;
  throw new ConfigError(field, `is not that of the node's agent, which is ${own}`, { value: given });
}
