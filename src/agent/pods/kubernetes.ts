/** What a node of Kubernetes has of the API server, beside the cluster's documents: its pods, and events on them. */

import type { Log } from "../../cluster/log.ts";
import { ApiClient } from "../../store/kubernetes/client.ts";
import { kubernetesAccess } from "../../store/open.ts";
import type { ClusterConfig } from "../config.ts";
import { PodEvents } from "./events.ts";
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

  /** Throws ConfigError for an address that cannot be used. */
  constructor(address: string, { config, log, gone }: KubernetesOptions) {
    const isOfStore = config.store.startsWith("kubernetes:");
    const source = kubernetesAccess(address, isOfStore ? config.storeOptions : {}, "kubernetes");
    this.client = new ApiClient({ source });
    const { node } = config;
    this.pods = new Pods({ client: this.client, node, log, gone });
    this.events = new PodEvents({ client: this.client, node, log });
  }

  /** Follows the node's pods until the signal comes. */
  start(signal: AbortSignal, failed: (error: unknown) => void): void {
    this.pods.follow(signal, failed);
  }

  close(): void {
    this.client.close();
  }
}
