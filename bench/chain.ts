/** A chain of plugins, called one after the other as libcni does, on the way up and on the way down. */

import { type BenchHost, callApart, callPlugin, type Outcome, type Pod } from "./host.ts";
import type { Sample } from "./measurement.ts";

/** One entry of a network configuration's `plugins`. */
export interface ChainPlugin {
  readonly type: string;
  readonly ipam?: { readonly type: string; readonly [field: string]: unknown };
  readonly capabilities?: { readonly [capability: string]: boolean };
  readonly [field: string]: unknown;
}

export interface Chain {
  readonly plugins: readonly ChainPlugin[];
  /** Capability arguments of a pod; no two pods on a host have one number. */
  readonly capabilities?: (number: number) => Readonly<Record<string, unknown>>;
  /** Fields of the last plugin that differ from pod to pod. */
  readonly forContainer?: (number: number) => Readonly<Record<string, unknown>>;
  readonly ifname?: string;
  /** The last plugin is called for its IPAM section, as an interface plugin does. */
  readonly kind?: "interface" | "chained" | "ipam";
}

/** A pod on a host, for which a chain is called. */
export interface Attachment {
  readonly host: BenchHost;
  readonly chain: Chain;
  readonly pod: Pod;
  readonly number: number;
}

/** What a chain came to. */
export interface Attached {
  /** One for each plugin, in the order of the calls. */
  readonly steps: readonly Sample[];
  readonly result: object | undefined;
  /** What the plugin said that failed, with which the chain ended. */
  readonly failure?: string;
}

const CNI_VERSION = "1.0.0";

/** Throws unless all succeed. */
export function addChain(attachment: Attachment): Attached {
  const steps: Sample[] = [];
  let result: object | undefined;
  for (const i of attachment.chain.plugins.keys()) {
    const outcome = callPlugin(executableAt(attachment, i), requestAt(attachment, i, "ADD", result));
    steps.push(outcome);
    result = JSON.parse(outcome.output) as object;
  }
  return { steps, result };
}

/** Throws unless all succeed. */
export function deleteChain(attachment: Attachment, result: object | undefined): Attached {
  const order = [...attachment.chain.plugins.keys()].reverse();
  const steps = order.map((i) => callPlugin(executableAt(attachment, i), requestAt(attachment, i, "DEL", result)));
  return { steps, result };
}

/** The same while other pods' chains go on; a failure ends it. */
export async function addChainApart(attachment: Attachment): Promise<Attached> {
  const steps: Sample[] = [];
  let result: object | undefined;
  for (const i of attachment.chain.plugins.keys()) {
    const outcome = await callApart(executableAt(attachment, i), requestAt(attachment, i, "ADD", result));
    steps.push(outcome);
    if (outcome.exitCode !== 0) return { steps, result: undefined, failure: failureOf(attachment, i, outcome) };
    result = JSON.parse(outcome.output) as object;
  }
  return { steps, result };
}

/** The same while other pods' chains go on; all plugins are called, whatever fails. */
export async function deleteChainApart(attachment: Attachment, result: object | undefined): Promise<Attached> {
  const steps: Sample[] = [];
  const failures: string[] = [];
  for (const i of [...attachment.chain.plugins.keys()].reverse()) {
    const outcome = await callApart(executableAt(attachment, i), requestAt(attachment, i, "DEL", result));
    steps.push(outcome);
    if (outcome.exitCode !== 0) failures.push(failureOf(attachment, i, outcome));
  }
  return { steps, result, ...(failures.length === 0 ? {} : { failure: failures.join("; ") }) };
}

export function total(steps: readonly Sample[]): Sample {
  return {
    wall: steps.reduce((sum, { wall }) => sum + wall, 0),
    cpu: steps.reduce((sum, { cpu }) => sum + cpu, 0),
  };
}

function executableAt({ chain: { plugins, kind } }: Attachment, i: number): string {
  const plugin = plugins[i];
  const isIpam = kind === "ipam" && i === plugins.length - 1;
  return (isIpam ? plugin?.ipam?.type : plugin?.type) ?? "";
}

/** The configuration of one plugin as libcni derives it from that of the network. */
function requestAt({ host, chain, pod, number }: Attachment, i: number, verb: "ADD" | "DEL", prevResult?: object) {
  const { capabilities = {}, ...config } = chain.plugins[i] as ChainPlugin;
  const given = Object.entries(chain.capabilities?.(number) ?? {}).filter(([name]) => capabilities[name]);
  return {
    host,
    verb,
    pod,
    ...(chain.ifname === undefined ? {} : { ifname: chain.ifname }),
    config: {
      ...config,
      ...(i === chain.plugins.length - 1 ? chain.forContainer?.(number) : {}),
      ...(given.length > 0 ? { runtimeConfig: Object.fromEntries(given) } : {}),
      cniVersion: CNI_VERSION,
      name: host.network,
      ...(prevResult === undefined ? {} : { prevResult }),
    },
  };
}

function failureOf(attachment: Attachment, i: number, { output }: Outcome): string {
  return `${executableAt(attachment, i)}: ${output.replace(/\s+/g, " ").trim()}`;
}
