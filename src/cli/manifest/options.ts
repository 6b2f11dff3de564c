/** What can be chosen of an installation. */

import { VERSION } from "../../agent/version.ts";
import { NAMESPACE } from "../../store/kubernetes/resources.ts";

/** What the image is called, which nodes have before the manifest is applied. */
export const DEFAULT_IMAGE = `tendril.dev/tendril:${VERSION}`;

export interface InstallOptions {
  readonly namespace: string;
  readonly image: string;
  readonly imagePullPolicy: "IfNotPresent" | "Always" | "Never";
  /** As in the agent's configuration. */
  readonly store: string;
  readonly mode: string;
  /** Out of what nodes give addresses, as in the agent's configuration. */
  readonly ipam: string;
  /** Empty for what the cluster says. */
  readonly subnet: readonly string[];
  readonly crossSubnetOnly: boolean;
  readonly blockSize: { readonly ipv4?: number; readonly ipv6?: number };
  readonly mtu: number | undefined;
  readonly bridge: string | undefined;
  readonly masquerade: boolean;
  /** Port on the nodes' loopback of metrics and probes. */
  readonly metricsPort: number;
  /** The same for the controller, which is in the nodes' network, too. */
  readonly controllerMetricsPort: number;
  /** How many controllers run, each on another node. */
  readonly controllerReplicas: number;
  readonly log: string;
  /** URLs of API servers, for agents that are not to reach them by the Service. */
  readonly server: string | undefined;
  /** The definition of NetworkAttachmentDefinitions is installed, too. */
  readonly networkAttachments: boolean;
}

export const DEFAULTS: InstallOptions = {
  namespace: NAMESPACE,
  image: DEFAULT_IMAGE,
  imagePullPolicy: "IfNotPresent",
  store: "kubernetes:",
  mode: "auto",
  ipam: "blocks",
  subnet: [],
  crossSubnetOnly: false,
  blockSize: {},
  mtu: undefined,
  bridge: undefined,
  masquerade: true,
  metricsPort: 9095,
  controllerMetricsPort: 9096,
  controllerReplicas: 2,
  log: "info",
  server: undefined,
  networkAttachments: false,
};

/** The network of pods where nobody says it: what kubeadm's documents and most others take for an example. */
export const FALLBACK_SUBNET = ["10.244.0.0/16"];

/** An object of the API, as a manifest has it. */
export interface ManifestObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

export const AGENT = "tendril-agent";

/** The labels of all that is installed. */
export const LABELS = { "app.kubernetes.io/name": "tendril" };

/** The controller works on the API server's objects; where the documents are elsewhere, the agents do what it would. */
export function hasController({ store }: Pick<InstallOptions, "store">): boolean {
  return store.startsWith("kubernetes:");
}
