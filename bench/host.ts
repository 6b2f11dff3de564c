/**
 * A host for plugins to work on, and how they are run and timed there.
 *
 * The whole suite runs in a mount namespace with tmpfs over /run and /var/lib (scripts/bench.ts), so leases, records and what the
 * plugins' tools lock lie in memory for both sides alike, and nothing is left of them afterwards.
 */

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { AGENT_SOCKET } from "../src/core/resident.ts";
import { createNamedNetns, enterNetns, inNetns, type Netns, openHome } from "../src/linux/netns.ts";
import type { Sample } from "./measurement.ts";

/** One of those that are compared. */
export interface Side {
  readonly name: string;
  /** The folder with its plugins. */
  readonly plugins: string;
  /** The program of an agent that runs on each of its hosts and serves the plugins. */
  readonly agent?: string;
}

export interface Pod {
  readonly id: string;
  readonly netns: string;
}

export interface BenchHost {
  readonly side: Side;
  readonly netns: Netns;
  /** Folder of leases and records. */
  readonly folder: string;
  readonly network: string;
}

export interface Call {
  readonly host: BenchHost;
  readonly verb: "ADD" | "DEL" | "VERSION";
  readonly pod?: Pod;
  /** The interface in the pod; `eth0` where absent. */
  readonly ifname?: string;
  readonly config: object;
}

export interface Outcome extends Sample {
  readonly exitCode: number;
  readonly output: string;
}

const TOP = "/run/bench";
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

let count = 0;
const home = openHome();

/** A host in a network namespace of its own. */
export function makeHost(side: Side): BenchHost {
  count++;
  const network = `bench${count}`;
  const netns = createNamedNetns(`host${count}`);
  const folder = `${TOP}/${network}`;
  mkdirSync(folder, { recursive: true });
  inNetns(netns, () => Bun.spawnSync(["ip", "link", "set", "lo", "up"]));
  const host = { side, netns, folder, network };
  if (side.agent !== undefined) waitForAgent(host, startAgent(side.agent, host));
  return host;
}

const agents: Bun.Subprocess[] = [];

function endAgents(): void {
  for (const agent of agents) agent.kill("SIGKILL");
}

/** Starts an agent, of a cluster's node where it is configured so; it ends with this process. */
export function startAgent(program: string, { netns, folder }: BenchHost, config: object = {}): Bun.Subprocess {
  const log = openSync(`${folder}/agent.log`, "w");
  writeFileSync(`${folder}/agent.json`, JSON.stringify(config));
  const env = { PATH, TENDRIL_RUN_DIR: `${folder}/run`, TENDRIL_STATE_DIR: `${folder}/state` };
  const cmd = [program, "agent", "--config", `${folder}/agent.json`];
  const agent = enterNetns(netns, home, () => Bun.spawn({ cmd, env, stdin: "ignore", stdout: log, stderr: log }));
  closeSync(log);
  if (agents.push(agent) === 1) process.on("exit", endAgents);
  agent.unref();
  return agent;
}

/** The path of the socket of a host's agent. */
export function agentSocket({ folder }: BenchHost): string {
  return `${folder}/run/${AGENT_SOCKET}`;
}

/** Waits until an agent serves. */
export function waitForAgent(host: BenchHost, agent: Bun.Subprocess): void {
  const deadline = performance.now() + 10_000;
  while (!existsSync(agentSocket(host))) {
    if (agent.killed || performance.now() > deadline) throw new Error(`The agent does not serve: ${agentLog(host)}`);
    Bun.sleepSync(5);
  }
}

/** What a host's agent has told. */
export function agentLog({ folder }: BenchHost): string {
  return readFileSync(`${folder}/agent.log`, "utf8");
}

/** Network namespaces for so many pods. */
export function makePods(number: number): Pod[] {
  return Array.from({ length: number }, () => {
    count++;
    const id = `pod${count}`;
    const netns = createNamedNetns(id);
    closeSync(netns.fd);
    return { id, netns: netns.path };
  });
}

/** Runs a plugin to its end. Throws unless it succeeds. */
export function callPlugin(type: string, request: Call): Outcome {
  const path = `${request.host.side.plugins}/${type}`;
  const outcome = run([path], request);
  if (outcome.exitCode !== 0) throw new Error(`${path} ${request.verb}: ${outcome.output}`);
  return outcome;
}

/** Runs a program as a plugin and times it. Input and output are files, so that nothing is copied meanwhile. */
export function run(command: string[], request: Call): Outcome {
  const files = openFiles(request);
  const env = environment(request);
  const { start, end, done } = enterNetns(request.host.netns, home, () => {
    const start = performance.now();
    const done = Bun.spawnSync({ cmd: command, env, stdin: files.input, stdout: files.output, stderr: files.errors });
    return { start, end: performance.now(), done };
  });
  return {
    ...cpuOf(done.resourceUsage),
    wall: end - start,
    exitCode: done.exitCode,
    output: files.finish(done.exitCode),
  };
}

/** Runs a plugin to its end while others run. */
export async function callApart(type: string, request: Call): Promise<Outcome> {
  const { host } = request;
  const files = openFiles(request);
  const env = environment(request);
  const cmd = [`${host.side.plugins}/${type}`];
  const start = performance.now();
  const child = enterNetns(host.netns, home, () =>
    Bun.spawn({ cmd, env, stdin: files.input, stdout: files.output, stderr: files.errors }),
  );
  const exitCode = await child.exited;
  const wall = performance.now() - start;
  return { ...cpuOf(child.resourceUsage()), wall, exitCode, output: files.finish(exitCode) };
}

/** Runs a shell command on a host. Throws unless it succeeds. */
export function shell(host: Pick<BenchHost, "netns">, command: string): void {
  const { exitCode, stderr } = inNetns(host.netns, () => Bun.spawnSync(["sh", "-c", command]));
  if (exitCode !== 0) throw new Error(`${command}: ${stderr.toString()}`);
}

function environment({ host, verb, pod, ifname = "eth0" }: Call): Record<string, string> {
  return {
    PATH,
    TENDRIL_RUN_DIR: `${host.folder}/run`,
    CNI_COMMAND: verb,
    CNI_PATH: host.side.plugins,
    ...(pod === undefined ? {} : { CNI_CONTAINERID: pod.id, CNI_NETNS: pod.netns, CNI_IFNAME: ifname }),
  };
}

function openFiles({ host, config, pod }: Call) {
  const path = `${host.folder}/${pod?.id ?? "none"}`;
  writeFileSync(`${path}.in`, JSON.stringify(config));
  const input = openSync(`${path}.in`, "r");
  const output = openSync(`${path}.out`, "w");
  const errors = openSync(`${path}.err`, "w");
  return {
    input,
    output,
    errors,
    /** What it printed; of one that failed, also what it said beside: some log there all the time. */
    finish(exitCode: number | null) {
      for (const fd of [input, output, errors]) closeSync(fd);
      const read = (kind: "out" | "err") => readFileSync(`${path}.${kind}`, "utf8");
      return exitCode === 0 ? read("out") : read("out") + read("err");
    },
  };
}

/** The system reports microseconds, of the process and of those children that it waited for. */
function cpuOf(usage: Bun.ResourceUsage | undefined): Pick<Sample, "cpu"> {
  return { cpu: Number(usage?.cpuTime.total ?? Number.NaN) / 1000 };
}
