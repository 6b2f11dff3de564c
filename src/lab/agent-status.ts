/** What agents say of themselves, and waiting until they say what is wanted. */

import { agentStatusIfAny } from "../cni/agent-client.ts";
import type { AgentStatus } from "../core/agent-status.ts";
import { cidrContains, parseCidr } from "../core/cidr.ts";
import { TendrilError } from "../core/errors.ts";
import { parseIp } from "../core/ip.ts";
import { AGENT_SOCKET } from "../core/resident.ts";
import { routerSpeaksBgp } from "./agent-config.ts";
import { agentLogEnd, agentProcess } from "./agent-process.ts";
import { readResults } from "./attached.ts";
import { podAddresses } from "./attachment.ts";
import type { Lab } from "./lab.ts";
import { netnsName, nodeFolder, ROUTER } from "./names.ts";
import { lookUpRoute } from "./route-lookup.ts";

/** How long an agent may take to answer, in milliseconds: one that is stopped never does. */
const ANSWER_MS = 1_000;
/** Between two questions, in milliseconds. */
const PERIOD_MS = 50;
const LOG_LINES = 15;

/** Asks the agent of a node; undefined when it does not run or does not answer in time. */
export function agentStatus(lab: string, node: string): Promise<AgentStatus | undefined> {
  return agentStatusIfAny(`${nodeFolder(lab, node)}/${AGENT_SOCKET}`, ANSWER_MS);
}

/** What is not well with a node's agent, each a sentence; none when all is. */
export async function agentFindings(lab: string, node: string): Promise<string[]> {
  const state = agentProcess(lab, node);
  if (state !== "running") return [state === "paused" ? "its agent is paused" : "its agent does not run"];
  const status = await agentStatus(lab, node);
  if (status === undefined) return ["its agent does not answer"];
  const peers = status.peers.flatMap(({ name, problem }) => (problem === undefined ? [] : [`${name}: ${problem}`]));
  return [...(status.ready ? [] : ["its agent is not ready"]), ...status.problems, ...peers];
}

export interface Patience {
  /** Milliseconds. */
  readonly within: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks again and again until nothing is missing. Throws TendrilError, which says what still is, when the time is over
 * or it is interrupted.
 */
export async function waitUntil(
  what: string,
  missing: () => Promise<string | undefined> | string | undefined,
  { within, signal }: Patience,
): Promise<void> {
  const deadline = performance.now() + within;
  for (;;) {
    const problem = await missing();
    if (problem === undefined) return;
    if (signal?.aborted) throw new TendrilError(`Waiting until ${what} was interrupted`);
    if (performance.now() > deadline) {
      throw new TendrilError(`Waited ${within / 1000} s in vain until ${what}: ${problem}`);
    }
    await Bun.sleep(PERIOD_MS);
  }
}

/** Waits until the agent of a node can attach pods. Throws TendrilError with the end of its log when it does not come up. */
export async function waitForAgent(lab: string, node: string, patience: Patience): Promise<AgentStatus> {
  let status: AgentStatus | undefined;
  try {
    await waitUntil(
      `the agent of node "${node}" is ready`,
      async () => {
        if (agentProcess(lab, node) === "stopped") throw new TendrilError(`The agent of node "${node}" has ended`);
        status = await agentStatus(lab, node);
        if (status?.ready) return undefined;
        return status === undefined ? "it does not answer" : status.problems.join("; ") || "it is not";
      },
      patience,
    );
  } catch (error) {
    if (!(error instanceof TendrilError)) throw error;
    const end = agentLogEnd(lab, node, LOG_LINES);
    throw new TendrilError(error.message, { cause: error, details: `The end of its log:\n${end}` });
  }
  if (status === undefined) throw new TypeError("An agent was waited for, but has no status");
  return status;
}

/**
 * What an agent does not know yet of where the other nodes' pods are; undefined when it knows the way to all of them.
 * `except` names nodes that are not asked and not looked for.
 */
export async function missingWays(lab: Lab, except: readonly string[] = []): Promise<string | undefined> {
  const nodes = lab.nodes.filter(({ name }) => !except.includes(name));
  const results = readResults(lab);
  for (const { name } of nodes) {
    const status = await agentStatus(lab.name, name);
    if (status === undefined) return `${name} does not answer`;
    for (const other of nodes) {
      if (other.name === name) continue;
      const peer = status.peers.find((each) => each.name === other.name);
      if (peer === undefined) return `${name} does not know ${other.name}`;
      if (peer.problem !== undefined) return `${name} says of ${other.name}: ${peer.problem}`;
      for (const pod of other.pods) {
        const addresses = podAddresses(results.get(`${other.name}/${pod}`) ?? {});
        const lost = addresses.find((address) => !isWithin(address, peer.prefixes));
        if (lost !== undefined) return `${name} does not know that ${lost} is on ${other.name}`;
        const problem = missingRoute(lab, name, addresses);
        if (problem !== undefined) return problem;
      }
    }
  }
  if (!routerSpeaksBgp(lab)) return undefined;
  return missingRoute(lab, ROUTER, [...results.values()].flatMap(podAddresses));
}

/** What a member's kernel has no route to but that to everything; routes that BGP tells of come later than peers. */
function missingRoute(lab: Lab, member: string, addresses: readonly string[]): string | undefined {
  const lost = addresses.find((address) => {
    const route = lookUpRoute(netnsName(lab.name, member), address);
    return route === undefined || route.startsWith("default");
  });
  return lost === undefined ? undefined : `${member} has no route to ${lost}`;
}

/** Whether an address is in one of the networks. */
export function isWithin(address: string, prefixes: readonly string[]): boolean {
  const ip = parseIp(address);
  return prefixes.some((text) => {
    const prefix = parseCidr(text);
    return ip !== undefined && prefix !== undefined && cidrContains(prefix, ip);
  });
}
