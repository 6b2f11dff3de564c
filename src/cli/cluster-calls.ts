/** What a node of a cluster adds to the calls that its agent serves. */

import type { ClusterNode } from "../agent/node.ts";
import { wishesOf } from "../agent/pods/annotations.ts";
import type { Kubernetes } from "../agent/pods/kubernetes.ts";
import { AddressError, AnnotationError, ConfigError, NotAvailableError, TryAgainError } from "../core/errors.ts";
import { alone } from "../core/ip.ts";
import type { Call, Plugin } from "../core/plugin.ts";
import { keyOfCall, ownerName, podOf } from "../ipam/cluster/owner.ts";
import { clusterIpamTypes, clusterTypes, EXECUTABLE } from "../plugins/types.ts";
import { StoreUnavailableError } from "../store/store.ts";
import { type Around, leadsElsewhere, wantedNetworks } from "./networks/wanted.ts";
import { withWishes } from "./pod-config.ts";
import type { ClusterCalls, Completed } from "./resident.ts";

export function clusterCalls(node: ClusterNode): ClusterCalls {
  const { plugin, whereabouts } = node.custody.ipam;
  const plugins = new Map([plugin, whereabouts].map((each) => [each.type, whileInCluster(node, each)]));
  return {
    ipam: (type) => plugins.get(type),
    prepare: (call) => prepare(node, call),
    complete: async (type, config, call) =>
      clusterTypes.includes(type) ? await completeForPod(node, complete(node, config), call) : { config, networks: [] },
    tell: (call, networks) => tellNetworks(node, call, networks),
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
  try {
    await ipam.prepare(call);
  } catch (error) {
    await tellPod(node, call, error);
    throw error;
  }
  return () => {
    if (isNew) ipam.release(owner);
  };
}

/** That a pod cannot have the addresses that it asks for is for its owner to know. */
async function tellPod({ kubernetes }: ClusterNode, { args }: Call, error: unknown): Promise<void> {
  const name = podOf(args);
  if (kubernetes === undefined || name === undefined || !(error instanceof AddressError)) return;
  try {
    const pod = await kubernetes.pods.find({ ...name, uid: args.get("K8S_POD_UID") });
    if (pod !== undefined) void kubernetes.events.warn(pod, "NoAddress", error.message);
  } catch (failure) {
    // The call answers what is wrong in any case.
    if (!(failure instanceof TryAgainError)) throw failure;
  }
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

/**
 * What the pod of an ADD to the cluster's network asks for goes over the configuration, and its further networks go with
 * it. What is wrong with that is told by an event on the pod, too.
 */
async function completeForPod(
  node: ClusterNode,
  config: Record<string, unknown>,
  call: Call | undefined,
): Promise<Completed> {
  const { kubernetes, config: own } = node;
  const name = call && podOf(call.args);
  const asItIs = { config, networks: [] };
  if (kubernetes === undefined || call === undefined || name === undefined || config.name !== own.network)
    return asItIs;
  const pod = await kubernetes.pods.find({ ...name, uid: call.args.get("K8S_POD_UID") });
  if (pod === undefined) return asItIs;
  try {
    const wishes = wishesOf(pod);
    const networks = await wantedNetworks(wishes, pod, aroundOf(node, kubernetes, call));
    const wished = withWishes(config, wishes, pod);
    if (!leadsElsewhere(wishes, call.ifname)) return { config: wished, networks };
    return { config: withoutDefaultRoute(wished, await clusterNetworks(node, kubernetes)), networks };
  } catch (error) {
    if (error instanceof AnnotationError) void kubernetes.events.warn(pod, "WrongAnnotation", error.message);
    throw error;
  }
}

function aroundOf(node: ClusterNode, { definitions }: Kubernetes, { ifname }: Call): Around {
  const { pools } = node.network.picture;
  return {
    network: node.config.network,
    ifname,
    definition: (namespace, name) => definitions.read(namespace, name),
    poolNetworks: (pool) => pools.get(pool ?? node.pool)?.value.cidrs,
    complete: (config) => complete(node, config),
  };
}

/** What a pod reaches by the cluster's network whatever its default routes are: pods, Services and its node. */
async function clusterNetworks(
  { network: { picture, fields } }: ClusterNode,
  kubernetes: Kubernetes,
): Promise<readonly string[]> {
  const pools = [...picture.pools.values()].flatMap(({ value }) => (value.routed === false ? [] : value.cidrs));
  try {
    return [...new Set([...pools, ...(await kubernetes.serviceNetworks()), ...fields.addresses.map(alone)])];
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    throw new TryAgainError(`Cannot learn the networks of Services: ${error.message}`, { cause: error });
  }
}

function withoutDefaultRoute(config: Record<string, unknown>, networks: readonly string[]): Record<string, unknown> {
  const routes = networks.map((dst) => ({ dst }));
  return { ...config, defaultRoute: false, ipam: { ...(config.ipam as object), routes } };
}

/** Tells the pod of a call what its networks have come to be, behind the call. */
async function tellNetworks({ kubernetes }: ClusterNode, { args }: Call, networks: readonly object[]): Promise<void> {
  const name = podOf(args);
  const pod = kubernetes && name && (await kubernetes.pods.find({ ...name, uid: args.get("K8S_POD_UID") }));
  if (pod !== undefined) void kubernetes?.tellNetworks(pod, networks);
}

function requireSame(field: string, given: unknown, own: string): void {
  if (given === undefined || given === "" || given === own) return;
  throw new ConfigError(field, `is not that of the node's agent, which is ${own}`, { value: given });
}
