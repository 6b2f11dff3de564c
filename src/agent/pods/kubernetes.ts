/** What a node of Kubernetes has of the API server, beside the cluster's documents: its pods, and events on them. */

import type { Log } from "../../cluster/log.ts";
import { ApiClient, ApiError } from "../../store/kubernetes/client.ts";
import type { ApiObject } from "../../store/kubernetes/resources.ts";
import { SERVICE_NETWORKS, serviceNetworksOf } from "../../store/kubernetes/watched.ts";
import { kubernetesAccess } from "../../store/open.ts";
import type { ClusterConfig } from "../config.ts";
import type { ClusterFacts } from "../own-pool.ts";
import type { PodFacts } from "./annotations.ts";
import { readClusterNetworks } from "./cluster-networks.ts";
import { Definitions } from "./definitions.ts";
import { PodEvents } from "./events.ts";
import { readPodCidrs } from "./machine.ts";
import { writeNetworkStatus } from "./network-status.ts";
import { Pods } from "./pods.ts";

export interface KubernetesOptions {
  readonly config: ClusterConfig;
  readonly log: Log;
  /** Told of a pod of this node, by namespace and name, that is gone. */
  readonly gone: (pod: string) => void;
}

export class Kubernetes {
  readonly client: ApiClient;
  readonly pods: Pods;
  readonly events: PodEvents;
  readonly definitions: Definitions;
  readonly #log: Log;
  readonly #node: string;

  /** Throws ConfigError for an address that cannot be used. */
  constructor(address: string, { config, log, gone }: KubernetesOptions) {
    const isOfStore = config.store.startsWith("kubernetes:");
    const source = kubernetesAccess(address, isOfStore ? config.storeOptions : {}, "kubernetes");
    this.client = new ApiClient({ source });
    const { node } = config;
    this.pods = new Pods({ client: this.client, node, log, gone });
    this.#log = log;
    this.#node = node;
    this.definitions = new Definitions(this.client);
    this.events = new PodEvents({ client: this.client, node, log });
  }

  /** Follows the node's pods until the signal comes. */
  start(signal: AbortSignal, failed: (error: unknown) => void): void {
    this.pods.follow(signal, failed);
  }

  /** Writes what a pod's networks have come to be; returns when it is done, and never fails. */
  tellNetworks(pod: Pick<PodFacts, "namespace" | "name" | "uid">, networks: readonly object[]): Promise<void> {
    return writeNetworkStatus({ client: this.client, log: this.#log }, pod, networks);
  }

  /** What it says of the network that this node is to have. */
  get facts(): ClusterFacts {
    const { client } = this;
    return {
      networks: () => readClusterNetworks(client),
      podCidrs: () => readPodCidrs(client, this.#node),
      services: () => this.serviceNetworks(),
    };
  }

  /** The networks of Services, where the API server tells them. Throws StoreUnavailableError. */
  async serviceNetworks(): Promise<readonly string[]> {
    try {
      const { items } = await this.client.call<{ readonly items: readonly ApiObject[] }>({ path: SERVICE_NETWORKS });
      return items.flatMap((object) => serviceNetworksOf(object).cidrs);
    } catch (error) {
      // An older API server has none.
      if (error instanceof ApiError && error.status === 404) return [];
      throw error;
    }
  }

  close(): void {
    this.client.close();
  }
}
