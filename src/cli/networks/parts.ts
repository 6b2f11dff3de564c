/**
 * How an agent and a plugin's process share a call whose pod has networks that only the process can attach, because their
 * plugins are other vendors' executables or need the host's files. The agent leaves such a call to the process, which asks
 * it by a field of the configuration for the parts of it: which networks there are, the cluster's own attachment, and to
 * tell the pod in the end.
 */

import type { PodNetwork } from "./pod-network.ts";
import type { NetworkStatus } from "./status.ts";

/** The field of the configuration. */
export const PART = "tendril.dev/part";

/** Where the networks' status stands in a question to tell it. */
export const STATUS = "tendril.dev/status";

/** `networks`: which there are. `own`: the cluster's alone. `tell`: what they have come to be. */
export type Part = "networks" | "own" | "tell";

/** What the agent answers to the first question. */
export interface NetworksAnswer {
  readonly networks: readonly PodNetwork[];
}

/** The part that a configuration asks for; undefined for the whole. */
export function partOf(config: Readonly<Record<string, unknown>> | undefined): Part | undefined {
  const part = config?.[PART];
  return part === "networks" || part === "own" || part === "tell" ? part : undefined;
}

/** The configuration's text, asking for a part. */
export function askingFor(stdin: string, part: Part, status?: readonly NetworkStatus[]): string {
  const config = JSON.parse(stdin) as object;
  return JSON.stringify({ ...config, [PART]: part, ...(status !== undefined && { [STATUS]: status }) });
}
