/** What an agent says of itself to whoever asks at its socket. */

import { boolean, integer, list, object, optional, type Schema, text, withDefault } from "./schema.ts";

/** What came through to a peer: small packets, full-size ones, and TCP. */
export interface ProbeResult {
  readonly small: boolean;
  readonly full: boolean;
  readonly tcp: boolean;
}

export interface AgentProbe {
  readonly ipv4?: ProbeResult | undefined;
  readonly ipv6?: ProbeResult | undefined;
  /** What is wrong, and what to look at, in a sentence. */
  readonly problem?: string | undefined;
}

export interface AgentPeer {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly prefixes: readonly string[];
  /** Whether packets go to it as they are; else in a tunnel. */
  readonly direct: boolean;
  readonly mtu?: number | undefined;
  readonly problem?: string | undefined;
  readonly probe?: AgentProbe | undefined;
}

/** A pod of this node. */
export interface AgentPod {
  readonly owner: string;
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
  readonly addresses: readonly string[];
  /** Path of its network namespace. */
  readonly netns: string;
  readonly podNamespace?: string | undefined;
  readonly podName?: string | undefined;
}

export interface AgentStatus {
  readonly ready: boolean;
  /** Empty for a machine that is in no cluster. */
  readonly node: string;
  readonly network: string;
  readonly mode: string;
  readonly version: string;
  readonly epoch: number;
  /** Of pods, in bytes. */
  readonly mtu?: number | undefined;
  /** Absent where the agent serves the plugins of a single machine. */
  readonly store?:
    | { readonly kind: string; readonly available: boolean; readonly since?: string | undefined }
    | undefined;
  /** Sentences. */
  readonly problems: readonly string[];
  readonly peers: readonly AgentPeer[];
  readonly pools: readonly {
    readonly name: string;
    readonly family: number;
    readonly blocks: number;
    readonly free: number;
    readonly used: number;
  }[];
  readonly pods: readonly AgentPod[];
  readonly resources: { readonly owned: number; readonly reconciled: number; readonly failed: number };
}

const count = integer(0, Number.MAX_SAFE_INTEGER);

/** A time as text, or as milliseconds since 1970. */
const time: Schema<string> = (value, field) =>
  typeof value === "number" ? new Date(value).toISOString() : text(value, field);

const probeResult = object<ProbeResult>({ small: boolean, full: boolean, tcp: boolean });

const probe = object<AgentProbe>({
  ipv4: optional(probeResult),
  ipv6: optional(probeResult),
  problem: optional(text),
});

const peer = object<AgentPeer>({
  name: text,
  addresses: withDefault(list(text), []),
  prefixes: withDefault(list(text), []),
  direct: withDefault(boolean, false),
  mtu: optional(count),
  problem: optional(text),
  probe: optional(probe),
});

const pool = object<AgentStatus["pools"][number]>({
  name: text,
  family: integer(4, 6),
  blocks: count,
  free: count,
  used: count,
});

const pod = object<AgentPod>({
  owner: text,
  network: withDefault(text, ""),
  containerId: text,
  ifname: withDefault(text, ""),
  addresses: withDefault(list(text), []),
  netns: withDefault(text, ""),
  podNamespace: optional(text),
  podName: optional(text),
});

const store = object<NonNullable<AgentStatus["store"]>>({
  kind: withDefault(text, ""),
  available: boolean,
  since: optional(time),
});

const resources = object<AgentStatus["resources"]>({
  owned: withDefault(count, 0),
  reconciled: withDefault(count, 0),
  failed: withDefault(count, 0),
});
const NO_RESOURCES = { owned: 0, reconciled: 0, failed: 0 };

/** Checks an answer; what an agent of another version does not tell has a default. Throws ConfigError. */
export const agentStatusSchema = object<AgentStatus>({
  ready: boolean,
  node: withDefault(text, ""),
  network: withDefault(text, ""),
  mode: withDefault(text, ""),
  version: withDefault(text, ""),
  epoch: withDefault(count, 0),
  mtu: optional(count),
  store: optional(store),
  problems: withDefault(list(text), []),
  peers: withDefault(list(peer), []),
  pools: withDefault(list(pool), []),
  pods: withDefault(list(pod), []),
  resources: withDefault(resources, NO_RESOURCES),
});
