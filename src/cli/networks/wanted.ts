/** What a pod is to be attached to beside the cluster's network, from what it asks for and what the API server knows. */

import {
  ANNOTATIONS,
  holderOf,
  NETWORKS,
  NO_INTERFACE,
  type PodFacts,
  type PodWishes,
} from "../../agent/pods/annotations.ts";
import type { Selection } from "../../agent/pods/selections.ts";
import type { JsonObject } from "../../cni/configuration.ts";
import { DEFAULT_NETWORK_FOLDER, loadNetwork } from "../../cni/runtime/network.ts";
import { AnnotationError, ConfigError, errorMessage, TendrilError } from "../../core/errors.ts";
import { clusterTypes, EXECUTABLE, GATEWAY } from "../../plugins/types.ts";
import { networkOf, type PodNetwork, podNetwork } from "./pod-network.ts";

/** What the node says of it. */
export interface Around {
  /** Name of the cluster's network, and of the pod's interface in it. */
  readonly network: string;
  readonly ifname: string;
  /** The text of a definition; undefined where there is none. Throws TryAgainError. */
  readonly definition: (namespace: string, name: string) => Promise<string | undefined>;
  /** The networks of a pool, or of the usual one; undefined for a pool that is not known. */
  readonly poolNetworks: (pool: string | undefined) => readonly string[] | undefined;
  /** A configuration of the cluster's plugin with what the node knows better. Throws ConfigError. */
  readonly complete: (config: Record<string, unknown>) => Record<string, unknown>;
}

const CNI_VERSION = "1.0.0";

/** In the order of their ADDs. Throws AnnotationError, TryAgainError. */
export async function wantedNetworks(wishes: PodWishes, pod: PodFacts, around: Around): Promise<readonly PodNetwork[]> {
  const { interfaces, networks: selected, defaultRoute } = wishes;
  const networks: PodNetwork[] = [];
  for (const [i, { ifname, pool }] of interfaces.entries()) {
    networks.push(clusterInterface(ifname, pool, pod, `${ANNOTATIONS.interfaces.name}[${i}]`, around));
  }
  for (const [i, selection] of selected.entries()) {
    networks.push(await definedNetwork(selection, pod, `${NETWORKS}[${i}]`, around));
  }
  refuseClashes(networks, pod, around, interfaces.length);
  return defaultRoute === undefined ? networks : withDefaultRoute(networks, defaultRoute, pod, around);
}

/** Whether the pod's default routes lead by another interface than the cluster's. */
export function leadsElsewhere({ defaultRoute, networks }: PodWishes, ifname: string): boolean {
  if (defaultRoute !== undefined) return defaultRoute !== ifname;
  return networks.some(({ gateways }) => gateways.length > 0);
}

/** Of a network of its own, for the runtime's GC names the pods' attachments to the cluster's alone. */
function clusterInterface(
  ifname: string,
  pool: string | undefined,
  pod: PodFacts,
  field: string,
  around: Around,
): PodNetwork {
  const networks = around.poolNetworks(pool);
  if (networks === undefined) throw wrong(pod, field, "names a pool that is not there", pool);
  const plugin = {
    type: EXECUTABLE,
    defaultRoute: false,
    ipam: { type: EXECUTABLE, ...(pool !== undefined && { pool }), routes: networks.map((dst) => ({ dst })) },
  };
  return {
    name: pool ?? around.network,
    ifname,
    list: {
      cniVersion: CNI_VERSION,
      name: `${around.network}.interfaces`,
      plugins: [around.complete(plugin)],
    },
    capabilities: {},
  };
}

async function definedNetwork(selection: Selection, pod: PodFacts, field: string, around: Around): Promise<PodNetwork> {
  const { namespace, name } = selection;
  const key = `${namespace}/${name}`;
  const text = await around.definition(namespace, name);
  if (text === undefined) throw wrong(pod, field, "names a NetworkAttachmentDefinition that is not there", key);
  try {
    const found = podNetwork(selection, text === "" ? fileOf(name) : text, `spec.config`);
    const completed = { ...found, list: completedList(found.list, around) };
    if (networkOf(completed).name !== around.network) return completed;
    throw new ConfigError("name", "is that of the cluster's own network", { value: around.network });
  } catch (error) {
    if (!(error instanceof TendrilError)) throw error;
    const problem = `names a NetworkAttachmentDefinition that cannot be used (${errorMessage(error)})`;
    throw wrong(pod, field, problem, key);
  }
}

/** A definition without a configuration means the node's file for a network of its name. Throws FileError. */
function fileOf(name: string): string {
  return loadNetwork(DEFAULT_NETWORK_FOLDER, name).source;
}

/** The cluster's plugin has the default route of its own network alone. Throws ConfigError. */
function completedList(list: JsonObject, { complete, poolNetworks }: Around): JsonObject {
  const plugins = (list.plugins as readonly JsonObject[]).map((plugin) => {
    if (!clusterTypes.includes(String(plugin.type))) return plugin;
    const { ipam, ...completed } = complete({ defaultRoute: false, ...plugin });
    const given = ipam as JsonObject;
    const pool = typeof given.pool === "string" ? given.pool : undefined;
    const usual = given.type === EXECUTABLE && completed.defaultRoute === false ? poolNetworks(pool) : undefined;
    const routes = usual === undefined ? {} : { routes: usual.map((dst) => ({ dst })) };
    return { ...completed, ipam: { ...routes, ...given } };
  });
  return { ...list, plugins };
}

function refuseClashes(networks: readonly PodNetwork[], pod: PodFacts, { ifname }: Around, interfaces: number): void {
  const seen = new Set([ifname]);
  for (const [i, network] of networks.entries()) {
    const isInterface = i < interfaces;
    const field = isInterface ? `${ANNOTATIONS.interfaces.name}[${i}]` : `${NETWORKS}[${i - interfaces}]`;
    if (seen.has(network.ifname))
      throw wrong(pod, field, "names an interface that the pod has already", network.ifname);
    seen.add(network.ifname);
  }
}

function withDefaultRoute(
  networks: readonly PodNetwork[],
  wanted: string,
  pod: PodFacts,
  { ifname }: Around,
): readonly PodNetwork[] {
  const { name } = ANNOTATIONS.defaultRoute;
  const names = [ifname, ...networks.map((each) => each.ifname)];
  if (wanted !== NO_INTERFACE && !names.includes(wanted)) {
    throw wrong(pod, name, `must be an interface of the pod, ${names.join(" or ")}, or ${NO_INTERFACE}`, wanted);
  }
  return networks.map((network) => (network.ifname === wanted ? leadingOut(network) : network));
}

/** The cluster's plugin sees to it itself; behind others goes one that does. */
function leadingOut(network: PodNetwork): PodNetwork {
  const plugins = network.list.plugins as readonly JsonObject[];
  const [first, ...rest] = plugins;
  const isOurs = clusterTypes.includes(String(first?.type));
  if (plugins.some(({ type }) => type === GATEWAY)) return network;
  const led = isOurs ? [{ ...first, defaultRoute: true }, ...rest] : [...plugins, { type: GATEWAY }];
  return { ...network, list: { ...network.list, plugins: led } };
}

function wrong(pod: PodFacts, field: string, problem: string, value: unknown): AnnotationError {
  const name = field.replace(/\[\d+\]$/, "");
  return new AnnotationError(holderOf(pod, name), new ConfigError(field, problem, { value }));
}
