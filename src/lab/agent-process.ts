/** The agents of a lab's nodes as processes: each in its node's namespace and a session of its own. */

import { closeSync, mkdirSync, openSync } from "node:fs";
import { TendrilError } from "../core/errors.ts";
import { readTextIfExists, removeFileIfExists, writeFileAtomic } from "../linux/file.ts";
import { closeNetns, inNetns, namedNetnsPath, openNetns } from "../linux/netns.ts";
import { readProcessFile } from "../linux/process-file.ts";
import { agentConfigPath, writeAgentConfig } from "./agent-config.ts";
import { nodeEnvironment } from "./attachment.ts";
import type { LabNode } from "./lab.ts";
import { configFolder, netnsName, nodeFolder, stateFolder } from "./names.ts";
import { livesIn, signalProcess } from "./processes.ts";
import type { LabRecord } from "./record.ts";

/** How long an agent has to end by itself, in milliseconds. */
const STOP_MS = 5_000;

/** What there is to see of an agent's process. */
export type AgentProcess = "running" | "paused" | "stopped";

/** Starts the agent of a node and returns the number of its process. Throws TendrilError when it runs already. */
export function startAgent({ lab, plugins, program }: LabRecord, node: LabNode): number {
  if (agentPid(lab.name, node.name) !== undefined) {
    throw new TendrilError(`The agent of node "${node.name}" runs already`);
  }
  const folder = nodeFolder(lab.name, node.name);
  for (const path of [folder, stateFolder(lab.name, node.name), configFolder(lab.name, node.name)]) {
    mkdirSync(path, { recursive: true });
  }
  writeAgentConfig(lab, node);
  const log = openSync(agentLogPath(lab.name, node.name), "a");
  const netns = openNetns(namedNetnsPath(netnsName(lab.name, node.name)));
  try {
    const child = inNetns(netns, () =>
      Bun.spawn([...program, "agent", "--config", agentConfigPath(lab.name, node.name)], {
        cwd: "/",
        env: { ...process.env, ...nodeEnvironment(lab.name, node.name, plugins) },
        // A session of its own: Ctrl-C and the end of the terminal are not meant for it.
        detached: true,
        stdin: "ignore",
        stdout: log,
        stderr: log,
      }),
    );
    child.unref();
    writeFileAtomic(pidPath(lab.name, node.name), `${child.pid}\n`);
    return child.pid;
  } finally {
    closeNetns(netns);
    closeSync(log);
  }
}

/** Asks an agent to end and waits for it; its network stays. It is not an error when it does not run. */
export async function stopAgent(lab: string, node: string): Promise<void> {
  const pid = agentPid(lab, node);
  if (pid === undefined) return;
  signalProcess(pid, "SIGTERM");
  if (!(await hasEnded(lab, node))) throw new TendrilError(`The agent of node "${node}" does not end on SIGTERM`);
  removeFileIfExists(pidPath(lab, node));
}

/** Ends an agent without its having a say in it. */
export async function killAgent(lab: string, node: string): Promise<void> {
  const pid = agentPid(lab, node);
  if (pid === undefined) return;
  signalProcess(pid, "SIGKILL");
  await hasEnded(lab, node);
  removeFileIfExists(pidPath(lab, node));
}

/** Stops the clock for an agent until it is resumed. Throws TendrilError when it does not run. */
export function pauseAgent(lab: string, node: string): void {
  signalProcess(requirePid(lab, node), "SIGSTOP");
}

export function resumeAgent(lab: string, node: string): void {
  signalProcess(requirePid(lab, node), "SIGCONT");
}

export function agentProcess(lab: string, node: string): AgentProcess {
  const pid = agentPid(lab, node);
  if (pid === undefined) return "stopped";
  const status = readProcessFile(pid, "status");
  if (status === undefined) return "stopped";
  return /^State:\s+T/m.test(status) ? "paused" : "running";
}

/** The process of a node's agent; undefined when it has ended. */
export function agentPid(lab: string, node: string): number | undefined {
  const written = readTextIfExists(pidPath(lab, node));
  const pid = Number(written);
  // Another process may have the number by now, but none of them lives in the node.
  return written !== undefined && livesIn(pid, netnsName(lab, node)) ? pid : undefined;
}

export function agentLogPath(lab: string, node: string): string {
  return `${nodeFolder(lab, node)}/agent.log`;
}

/** The last lines of what an agent has written. */
export function agentLogEnd(lab: string, node: string, lines: number): string {
  const text = readTextIfExists(agentLogPath(lab, node)) ?? "";
  return text.trimEnd().split("\n").slice(-lines).join("\n");
}

function requirePid(lab: string, node: string): number {
  const pid = agentPid(lab, node);
  if (pid !== undefined) return pid;
  throw new TendrilError(`The agent of node "${node}" does not run`, {
    details: `\`tendril lab agent start ${node}\` starts it.`,
  });
}

async function hasEnded(lab: string, node: string): Promise<boolean> {
  const deadline = performance.now() + STOP_MS;
  while (performance.now() < deadline) {
    if (agentPid(lab, node) === undefined) return true;
    await Bun.sleep(5);
  }
  return false;
}

function pidPath(lab: string, node: string): string {
  return `${nodeFolder(lab, node)}/agent.pid`;
}
