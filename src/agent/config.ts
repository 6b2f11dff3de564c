/** What the operator tells the agent: a file in YAML or JSON, each field of which can be given on the command line too. */

import { hostname } from "node:os";
import { parse } from "yaml";
import { LOG_LEVELS, type LogLevel } from "../cluster/log.ts";
import { METRICS_OFF, metricsAddress } from "../cluster/metrics-server.ts";
import { MODES, type ModeName } from "../core/cluster.ts";
import { ConfigError, DecodeError, errorMessage } from "../core/errors.ts";
import { familyOf } from "../core/ip.ts";
import {
  boolean,
  cidrText,
  exactly,
  integer,
  interfaceName,
  list,
  networkText,
  oneOf,
  optional,
  type Schema,
  text,
  withDefault,
  words,
} from "../core/schema.ts";
import { type BgpSettings, bgpSettings } from "./bird-settings.ts";
import { blockBitsFor, type GivenBlockSize } from "./block-size.ts";

/** Of the cluster that the node is one of. */
export interface ClusterConfig {
  /** The node's name, by which all others know it. */
  readonly node: string;
  /** Name of the CNI network. */
  readonly network: string;
  /** Where the cluster's documents are, such as `dir:/var/lib/tendril/store`, `etcd://10.0.0.1:2379` or `kubernetes:`. */
  readonly store: string;
  readonly storeOptions: Readonly<Record<string, string>>;
  /** The API server whose pods the node's are, such as `kubernetes:`; that of the store where it is one. */
  readonly kubernetes: string | undefined;
  readonly mode: ModeName;
  readonly crossSubnetOnly: boolean;
  /** Out of what a node gives addresses: of blocks that it claims anywhere, or of its Node's podCIDRs alone. */
  readonly ipam: (typeof IPAM_KINDS)[number];
  /** The networks of pods; they become the pool `default` when there is none. What the cluster says when empty. */
  readonly subnet: readonly string[];
  /** The networks of pods where neither `subnet` nor the cluster says them. */
  readonly fallbackSubnet: readonly string[];
  /** Prefix lengths of blocks, as far as they are given. */
  readonly blockSize: GivenBlockSize;
  /** In CIDR notation; those of the link with the default route when absent. */
  readonly addresses: readonly string[] | undefined;
  /** Of pods; found out when absent. */
  readonly mtu: number | undefined;
  /** `subnet` is the node's own, and a pool of its own: no other node claims of it. */
  readonly ownSubnet: boolean;
  /** Pods are ports of this bridge instead of routed veth pairs. */
  readonly bridge: string | undefined;
  readonly masquerade: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly vxlan: { readonly vni: number; readonly port: number };
  readonly bgp: BgpSettings;
  /** A controller gives up nodes that are gone, and ends reservations of owners that are: the agent leaves it to it. */
  readonly controller: boolean;
  /** Path of the network configuration that the agent writes once it is ready. */
  readonly networkConfig: string | undefined;
  /** In seconds. */
  readonly heartbeat: number;
  readonly grace: number;
  readonly coolDown: number;
}

export interface AgentConfig {
  /** Undefined for an agent that only serves the plugins of a single machine. */
  readonly cluster: ClusterConfig | undefined;
  /** Where metrics are served by TCP; undefined for nowhere. */
  readonly metrics: string | undefined;
  /** The agent has files of its own, but the host's network and process numbers, and serves the host's plugins. */
  readonly inContainer: boolean;
  readonly log: LogLevel;
}

/** One value, or a list of several. */
function listOrOne<T>(schema: Schema<T>): Schema<T[]> {
  return (value, field) => (Array.isArray(value) ? list(schema)(value, field) : [schema(value, field)]);
}

const seconds = integer(1, 86_400);

/** A lower-case name that every store can take for a document. */
const name: Schema<string> = (value, field) => {
  const given = text(value, field);
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(given)) return given;
  throw new ConfigError(field, "must be lower-case letters, digits, dots and hyphens", { value });
};

const networkName: Schema<string> = (value, field) => {
  const given = text(value, field);
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(given)) return given;
  throw new ConfigError(field, "must be letters, digits, dots, hyphens and underscores", { value });
};

/** An API server, by the address that a store of it has. */
const apiServer: Schema<string> = (value, field) => {
  const url = text(value, field);
  if (/^kubernetes:(\/.+)?$/.test(url)) return url;
  throw new ConfigError(field, "must be kubernetes: or kubernetes:/KUBECONFIG", { value });
};

export const IPAM_KINDS = ["blocks", "node-cidr"] as const;

/** The mode that suits most: what `vxlan` with `crossSubnetOnly` is. */
export const AUTO_MODE = "auto";

interface RawConfig extends Omit<ClusterConfig, "node" | "store" | "mode" | "subnet" | "blockSize"> {
  readonly node: string | undefined;
  readonly store: string | undefined;
  readonly mode: ModeName | typeof AUTO_MODE | undefined;
  readonly subnet: readonly string[] | undefined;
  readonly blockSize: GivenBlockSize | undefined;
  readonly metrics: string;
  readonly inContainer: boolean;
  readonly log: LogLevel;
}

const fields = exactly<RawConfig>({
  node: optional(name),
  network: withDefault(networkName, "tendril"),
  store: optional(text),
  storeOptions: withDefault(words, {}),
  kubernetes: optional(apiServer),
  mode: optional(oneOf(...MODES, AUTO_MODE)),
  crossSubnetOnly: withDefault(boolean, false),
  ipam: withDefault(oneOf(...IPAM_KINDS), "blocks"),
  subnet: optional(listOrOne(networkText)),
  fallbackSubnet: withDefault(listOrOne(networkText), []),
  blockSize: optional(exactly<GivenBlockSize>({ ipv4: optional(integer(8, 32)), ipv6: optional(integer(16, 128)) })),
  addresses: optional(listOrOne(cidrText)),
  mtu: optional(integer(576, 65_535)),
  ownSubnet: withDefault(boolean, false),
  bridge: optional(interfaceName),
  masquerade: withDefault(boolean, true),
  labels: withDefault(words, {}),
  vxlan: withDefault(
    exactly<ClusterConfig["vxlan"]>({
      vni: withDefault(integer(1, 0xffffff), 1),
      port: withDefault(integer(1, 65_535), 4789),
    }),
    { vni: 1, port: 4789 },
  ),
  bgp: withDefault(bgpSettings, bgpSettings({}, "bgp")),
  controller: withDefault(boolean, false),
  networkConfig: optional(text),
  heartbeat: withDefault(seconds, 10),
  grace: withDefault(seconds, 300),
  coolDown: withDefault(integer(0, 86_400), 60),
  metrics: withDefault(metricsAddress, METRICS_OFF),
  inContainer: withDefault(boolean, false),
  log: withDefault(oneOf(...LOG_LEVELS), "info"),
});

/**
 * The configuration in a file's text, over which `given` fields go. Without a store it is that of a single machine.
 * Throws DecodeError for what is neither YAML nor JSON, ConfigError for a field.
 */
export function parseAgentConfig(source: string, given: Readonly<Record<string, unknown>> = {}): AgentConfig {
  const file = parseYaml(source) ?? {};
  if (typeof file !== "object" || file === null || Array.isArray(file)) {
    throw new DecodeError("The agent's configuration is not an object");
  }
  const { metrics, inContainer, log, ...cluster } = fields({ ...file, ...given }, "");
  return {
    cluster: clusterOf(cluster),
    metrics: metrics === METRICS_OFF ? undefined : metrics,
    inContainer,
    log,
  };
}

/** Throws DecodeError. */
function parseYaml(source: string): unknown {
  try {
    return parse(source, { prettyErrors: true, logLevel: "error" });
  } catch (error) {
    throw new DecodeError(`The agent's configuration is not YAML: ${errorMessage(error)}`, { cause: error });
  }
}

function clusterOf(raw: Omit<RawConfig, "metrics" | "inContainer" | "log">): ClusterConfig | undefined {
  const { store, mode, subnet } = raw;
  if (store === undefined) {
    for (const field of ["mode", "subnet"] as const) {
      if (raw[field] !== undefined) {
        throw new ConfigError(
          "store",
          `is missing: a cluster, which "${field}" is of, keeps its documents in a store`,
          {
            details:
              "Such as dir:/var/lib/tendril/store on one machine, etcd://10.0.0.1:2379, or kubernetes: in a pod.",
          },
        );
      }
    }
    return undefined;
  }
  if (raw.grace <= raw.heartbeat) {
    throw new ConfigError("grace", `must be longer than "heartbeat", which is ${raw.heartbeat} seconds`, {
      value: raw.grace,
    });
  }
  const kubernetes = raw.kubernetes ?? (store.startsWith("kubernetes:") ? store : undefined);
  if (raw.ipam === "node-cidr") requirePodCidrs(raw, kubernetes);
  const blockSize = raw.blockSize ?? { ipv4: undefined, ipv6: undefined };
  for (const field of ["subnet", "fallbackSubnet"] as const) {
    requireOneOfFamily(field, raw[field] ?? []);
    // What is wrong with the size is told now, whichever of the two will count.
    blockBitsFor({ ...raw, blockSize }, raw[field] ?? []);
  }
  return {
    ...raw,
    store,
    kubernetes,
    mode: mode === undefined || mode === AUTO_MODE ? "vxlan" : mode,
    crossSubnetOnly: raw.crossSubnetOnly || mode === AUTO_MODE,
    subnet: subnet ?? [],
    blockSize,
    node: raw.node ?? name(hostname().toLowerCase(), "node"),
  };
}

/** Throws ConfigError where a node cannot have networks of its own by Kubernetes. */
function requirePodCidrs({ ipam, ownSubnet }: Pick<RawConfig, "ipam" | "ownSubnet">, kubernetes: string | undefined) {
  if (kubernetes === undefined) {
    throw new ConfigError("ipam", "needs the API server that gives nodes their podCIDRs", {
      value: ipam,
      details: 'Name it: "kubernetes".',
    });
  }
  if (!ownSubnet) return;
  throw new ConfigError("ipam", 'leaves no room for "ownSubnet": either says what the node has', { value: ipam });
}

function requireOneOfFamily(field: string, networks: readonly string[]): void {
  for (const [i, network] of networks.entries()) {
    const isSecond = networks.slice(0, i).some((other) => familyOf(other) === familyOf(network));
    if (isSecond) throw new ConfigError(`${field}[${i}]`, "is the second of its family", { value: network });
  }
}
