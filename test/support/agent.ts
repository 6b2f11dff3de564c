/** The built `tendril agent` on hosts of {@link ./plugin-calls.ts}, as processes that end with the tests of a file. */

import { afterAll } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { AGENT_SOCKET } from "../../src/core/resident.ts";
import { inNetns } from "../../src/linux/netns.ts";
import type { Host } from "./plugin-calls.ts";
import { tendril } from "./programs.ts";

/** How long an agent may take to begin, to be ready and to end, in milliseconds. */
const PATIENCE = 60_000;

export interface AgentOptions {
  /** Fields of the configuration; without them it only serves calls. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** More words on the command line. */
  readonly args?: readonly string[];
  /** Ends the process by itself after so many steps of the calls that it serves. */
  readonly killAfter?: number;
}

/** How a node says that it is. */
export interface Status {
  readonly ready: boolean;
  readonly epoch: number;
  readonly mtu: number;
  readonly problems: readonly string[];
  readonly peers: readonly { readonly name: string; readonly prefixes: readonly string[]; readonly direct: boolean }[];
  readonly pools: readonly { readonly free: number; readonly used: number; readonly blocks: number }[];
  readonly pods: readonly { readonly owner: string; readonly addresses: readonly string[] }[];
  readonly resources: { readonly owned: number; readonly reconciled: number; readonly failed: number };
}

export interface RunningAgent {
  readonly process: Bun.Subprocess;
  /** All that it has written by now. */
  log(): string;
  /** The messages of a level in its log. */
  messages(level: "info" | "warn" | "error"): string[];
  status(): Promise<Status>;
  metrics(): Promise<string>;
  /** How many calls of a type and verb it has served, by its metrics. */
  served(type: string, verb: string): Promise<number>;
  /** Waits until the node is one of the cluster. Throws with its log when it does not come to be. */
  ready(): Promise<void>;
  /** Waits until it has ways to so many other nodes' pods, and all that it wants is there. */
  knowsPeers(count: number): Promise<void>;
  /** Asks it to end. Throws unless it does so with exit status 0. */
  stop(): Promise<void>;
  /** Ends it without its having a say in it. */
  kill(): Promise<void>;
  /** Waits until it has ended by itself; the signal that did so, or its exit status. */
  ended(): Promise<number | string>;
}

export interface Agents {
  /** Starts one and waits until it serves. */
  start(host: Host, options?: AgentOptions): Promise<RunningAgent>;
  /** Runs one to its end, for those that end at once, and other commands of the agent. */
  run(host: Host, args: readonly string[], options?: AgentOptions): Promise<Ended>;
}

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Agents for the tests of one file; those that still run are ended after them. To be called at the file's top level. */
export function testAgents(): Agents {
  const running: Bun.Subprocess[] = [];
  let count = 0;
  afterAll(async () => {
    for (const process of running) process.kill("SIGKILL");
    await Promise.all(running.map(({ exited }) => exited));
  });
  return {
    async start(host, options = {}) {
      const log = host.path(`agent-${++count}.log`);
      const process = spawn(host, ["agent", ...configured(host, options), ...(options.args ?? [])], options, log);
      running.push(process);
      const agent = agentOf(host, process, log);
      await until(
        `the agent serves`,
        () => /"message":"serving"/.test(agent.log()) || process.exitCode !== null,
        agent,
      );
      if (process.exitCode !== null) throw new Error(`The agent ended: ${agent.log()}`);
      return agent;
    },
    async run(host, args, options = {}) {
      const log = host.path(`agent-${++count}.log`);
      const process = spawn(host, ["agent", ...args, ...configured(host, options)], options, log);
      running.push(process);
      const stdout = await new Response(process.stdout).text();
      return { status: await process.exited, stdout, stderr: readFileSync(log, "utf8") };
    },
  };
}

/** For every host a file of its own, which an agent that is started again finds as it was. */
function configured(host: Host, { config = {} }: AgentOptions): string[] {
  const path = host.path("agent.json");
  writeFileSync(path, JSON.stringify(config));
  return ["--config", path];
}

/** The folder of a host's agent for state that lasts. */
export function stateFolder(host: Host): string {
  return host.path("state");
}

function spawn(host: Host, args: readonly string[], { killAfter }: AgentOptions, log: string) {
  const env = {
    PATH: process.env.PATH ?? "",
    TENDRIL_RUN_DIR: host.runFolder,
    TENDRIL_STATE_DIR: stateFolder(host),
    ...(killAfter === undefined ? {} : { TENDRIL_TEST_KILL_AFTER_STEP: String(killAfter) }),
  };
  mkdirSync(stateFolder(host), { recursive: true });
  // A child lives in the namespace that this thread is in at the time.
  return inNetns(host.netns.netns, () =>
    Bun.spawn([tendril, ...args], { env, stdin: "ignore", stdout: "pipe", stderr: Bun.file(log), cwd: "/" }),
  );
}

function agentOf(host: Host, process: Bun.Subprocess, path: string): RunningAgent {
  const log = () => (existsSync(path) ? readFileSync(path, "utf8") : "");
  const ask = (what: string) => fetch(`http://agent/${what}`, { unix: `${host.runFolder}/${AGENT_SOCKET}` });
  const end = async (signal: NodeJS.Signals) => {
    process.kill(signal);
    await until(`the agent ends on ${signal}`, () => process.exitCode !== null || process.signalCode !== null, agent);
  };
  const agent: RunningAgent = {
    process,
    log,
    messages: (level) =>
      log()
        .split("\n")
        .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as { level: string; message: string }]))
        .flatMap((line) => (line.level === level ? [line.message] : [])),
    status: async () => (await (await ask("status")).json()) as Status,
    metrics: async () => await (await ask("metrics")).text(),
    async served(type, verb) {
      const line = new RegExp(
        `^tendril_call_duration_seconds_count\\{verb="${verb}",type="${type}",[^}]*\\} (\\d+)$`,
        "gm",
      );
      return [...(await agent.metrics()).matchAll(line)].reduce((sum, [, count]) => sum + Number(count), 0);
    },
    ready: () => until("the node is ready", async () => (await agent.status()).ready, agent),
    knowsPeers: (count) =>
      until(
        `the node has ways to ${count} others`,
        async () => {
          const { peers, resources } = await agent.status();
          return peers.length === count && peers.every(({ prefixes }) => prefixes.length > 0) && resources.failed === 0;
        },
        agent,
      ),
    async stop() {
      await end("SIGTERM");
      if (process.exitCode !== 0) throw new Error(`The agent ended with status ${process.exitCode}: ${log()}`);
    },
    kill: () => end("SIGKILL"),
    async ended() {
      await until("the agent ends", () => process.exitCode !== null || process.signalCode !== null, agent);
      return process.signalCode ?? process.exitCode ?? -1;
    },
  };
  return agent;
}

/** Waits until something is so. Throws with the agent's log when it does not come to be. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  agent?: Pick<RunningAgent, "log">,
): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`It did not come to be that ${what}: ${agent?.log() ?? ""}`);
    await Bun.sleep(5);
  }
}
