/** Pods' further networks in the agent: those whose plugins can all be served here. */

import type { JsonObject } from "../../cni/configuration.ts";
import { readCall } from "../../cni/dispatch.ts";
import { attachmentVariables } from "../../cni/runtime/attachment.ts";
import { attachmentRequest } from "../../cni/runtime/request.ts";
import { pluginRunner } from "../../cni/runtime/runner.ts";
import type { Call, Plugin } from "../../core/plugin.ts";
import { ipamTypes } from "../../plugins/types.ts";
import { isForContainer } from "../container-calls.ts";
import { attachmentOf, networkOf, type PodNetwork } from "./pod-network.ts";
import { type NetworksRecord, readNetworks } from "./record.ts";
import { staleRecords, withNetworks } from "./several.ts";
import type { NetworkStatus } from "./status.ts";

export interface InAgentOptions {
  readonly runFolder: string;
  readonly builtin: (type: string) => Plugin | undefined;
  readonly inContainer: boolean;
}

/** Whether a configuration names an IPAM plugin that is none of ours. */
export function asksOthers(config: Readonly<Record<string, unknown>> | undefined): boolean {
  const ipam = config?.ipam;
  if (typeof ipam !== "object" || ipam === null || !("type" in ipam) || typeof ipam.type !== "string") return false;
  return !["", ...ipamTypes].includes(ipam.type);
}

export class NetworksInAgent {
  readonly #options: InAgentOptions;

  constructor(options: InAgentOptions) {
    this.#options = options;
  }

  /** Whether all that a pod has beside the cluster's network can be attached and taken off here. */
  canServe(networks: readonly PodNetwork[], netns: string): boolean {
    return networks.every((network) =>
      networkOf(network).plugins.every(({ type, config }) => this.#canServePlugin(type, config, netns)),
    );
  }

  #canServePlugin(type: string, config: JsonObject, netns: string): boolean {
    const { builtin, inContainer } = this.#options;
    if (builtin(type) === undefined || asksOthers(config)) return false;
    return !inContainer || isForContainer({ type, env: { CNI_NETNS: netns }, stdin: JSON.stringify(config) });
  }

  /** The records that a call other than ADD has to do with. */
  recordsOf(verb: string, call: Call): readonly NetworksRecord[] {
    const { runFolder } = this.#options;
    if (verb === "GC") return staleRecords(runFolder, call);
    if (verb !== "DEL" && verb !== "CHECK") return [];
    const key = { network: call.config.name, containerId: call.containerId, ifname: call.ifname };
    return [readNetworks(runFolder, key, call.warn) ?? []].flat();
  }

  /** The plugin of the cluster's network with the pod's others. */
  plugin(
    plugin: Plugin,
    networks: readonly PodNetwork[],
    attached: (status: readonly NetworkStatus[]) => void,
  ): Plugin {
    const { runFolder, builtin } = this.#options;
    return withNetworks(plugin, { runFolder, run: pluginRunner({ builtin, inherited: {} }), networks, attached });
  }
}

/** The ADD of each network's first plugin, as far as somebody may have to prepare it. */
export function addsOf(networks: readonly PodNetwork[], call: Call): readonly Call[] {
  return networks.flatMap((pod) => {
    const network = networkOf(pod);
    const [first] = network.plugins;
    if (first === undefined) return [];
    const attachment = attachmentOf(pod, call);
    const env = { CNI_COMMAND: "ADD", ...attachmentVariables(attachment, call.path) };
    const stdin = attachmentRequest(network, first, attachment, undefined);
    return [readCall("ADD", { env, stdin: () => stdin, stderr: call.warn })];
  });
}
