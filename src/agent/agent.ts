/** The agent's life: from its configuration to the signal that ends it. */

import type { Log } from "../cluster/log.ts";
import { type Server, serveMetrics } from "../cluster/metrics-server.ts";
import type { AttachmentKey } from "../core/names.ts";
import type { ResidentAnswer, ResidentCall } from "../core/resident.ts";
import { releaseExecutablePages } from "../linux/executable-pages.ts";
import type { AgentConfig } from "./config.ts";
import { Metrics } from "./metrics.ts";
import { ClusterNode } from "./node.ts";
import { serveSocket } from "./server.ts";
import { claimRunFolder } from "./sole.ts";
import { nodeStatus } from "./status.ts";
import { VERSION } from "./version.ts";

/** Serves a call; undefined for one that is left to the process that was called. */
export type ServeCall = (call: ResidentCall) => Promise<ResidentAnswer | undefined>;

/** How the agent has to do with plugins. */
export interface Calls {
  readonly serve: ServeCall;
  /** Which plugin the executable is under a name; undefined where the configuration has to tell. */
  readonly typeOf: (name: string) => string | undefined;
  /** Takes an attachment off its network. Throws what DEL would answer. */
  readonly detach: (key: AttachmentKey, warn: (sentence: string) => void) => void;
  /** Waits for what goes on after calls have been answered. */
  readonly settled: () => Promise<void>;
}

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly runFolder: string;
  readonly stateFolder: string;
  readonly log: Log;
  /** How calls are served, by a node of a cluster where there is one. */
  readonly calls: (node: ClusterNode | undefined) => Promise<Calls>;
}

/** Milliseconds after which what only the start has needed is given back. */
const STARTED = 2000;

/**
 * Serves until the process is told to end. What it has made of the network stays. Throws ConfigError where the
 * configuration does not fit the machine, TryAgainError while another agent has the run folder.
 */
export async function runAgent({ config, runFolder, stateFolder, log, calls }: AgentOptions): Promise<void> {
  const told = untilTold();
  const giveUpRunFolder = claimRunFolder(runFolder);
  const metrics = new Metrics();
  const { cluster } = config;
  let detach: Calls["detach"] = () => {};
  const takeOff = (owner: string): void => {
    const key = node?.table.owners.get(owner);
    if (key !== undefined) detach(key, (sentence) => log.warn(sentence));
  };
  const lost = (owner: string): void => {
    log.error("the addresses of a pod are another node's by now: it is taken off the network", { owner });
    takeOff(owner);
  };
  const orphaned = (owner: string): void => {
    log.warn("a pod does not exist any more, and its runtime has not said so: it is taken off the network", { owner });
    takeOff(owner);
  };
  const options = { runFolder, stateFolder, log, metrics, lost, orphaned };
  const node = cluster && new ClusterNode({ config: cluster, ...options });
  const served = await calls(node);
  detach = served.detach;
  const call = counted(served.serve, metrics);
  const service = {
    call,
    typeOf: served.typeOf,
    isReady: () => node?.isReady ?? true,
    status: () => (node === undefined ? { ready: true, version: VERSION } : nodeStatus(node)),
    metrics: () => metrics.text(node?.figures),
  };
  const servers: Server[] = [serveSocket(runFolder, service, log)];
  if (config.metrics !== undefined) servers.push(serveMetrics(config.metrics, service));
  node?.start();
  log.info("serving", { version: VERSION, ...(cluster && { node: cluster.node, mode: cluster.mode }) });
  const started = setTimeout(releaseExecutablePages, STARTED);
  await told;
  clearTimeout(started);
  for (const server of servers) await server.close();
  await served.settled();
  await node?.stop();
  giveUpRunFolder();
  log.info("ended; the network stays as it is");
}

/** What a call is counted as that was made under the executable's own name. */
const OWN_NAME = "tendril";

function counted(call: ServeCall, metrics: Metrics): ServeCall {
  return async (given) => {
    const begun = performance.now();
    const answer = await call(given);
    if (answer !== undefined) {
      metrics.called(given.env.CNI_COMMAND ?? "", given.type ?? OWN_NAME, answer.status, performance.now() - begun);
    }
    return answer;
  };
}

function untilTold(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
}
