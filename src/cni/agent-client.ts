/** What the node's agent says of itself, asked over the socket by which it serves plugins. */

import { type AgentStatus, agentStatusSchema } from "../core/agent-status.ts";
import { ConfigError, DecodeError, TendrilError } from "../core/errors.ts";
import { AGENT_SOCKET } from "../core/resident.ts";
import { runFolder } from "../linux/run-folder.ts";

/** No agent answers on this node. */
export class NoAgentError extends TendrilError {}

/** Milliseconds that an agent has for its answer unless it is told otherwise. */
const TIMEOUT = 10_000;

function agentSocket(): string {
  return `${runFolder()}/${AGENT_SOCKET}`;
}

/** Asks the agent of this node. Throws NoAgentError where none answers, DecodeError for an answer that makes no sense. */
export async function agentStatus(socket = agentSocket(), timeout = TIMEOUT): Promise<AgentStatus> {
  const answer = await ask(socket, timeout);
  try {
    return agentStatusSchema(answer, "");
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new DecodeError(`The agent's answer at "${socket}" cannot be read: ${error.message}`, {
      cause: error,
      details: "It may be of another version: restart it.",
    });
  }
}

/** The same; undefined where no agent answers. */
export async function agentStatusIfAny(socket = agentSocket(), timeout = TIMEOUT): Promise<AgentStatus | undefined> {
  try {
    return await agentStatus(socket, timeout);
  } catch (error) {
    if (error instanceof NoAgentError) return undefined;
    throw error;
  }
}

async function ask(socket: string, timeout: number): Promise<unknown> {
  try {
    const response = await fetch("http://agent/status", { unix: socket, signal: AbortSignal.timeout(timeout) });
    if (response.ok) return await response.json();
    throw new NoAgentError(`The agent answers ${response.status}: ${(await response.text()).trim()}`);
  } catch (error) {
    if (error instanceof NoAgentError) throw error;
    throw new NoAgentError(`No agent answers at "${socket}"`, {
      cause: error,
      details: "`tendril agent --config FILE` is one; it runs as a service on every node of a cluster.",
    });
  }
}
