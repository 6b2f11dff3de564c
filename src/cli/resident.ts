/**
 * The agent as a plugin: calls that other processes have taken, served in this one.
 *
 * Whatever needs another vendor's executable is left to the process that was called: it may take long, and this process
 * serves one call after the other.
 */

import type { Calls } from "../agent/agent.ts";
import { type CallSource, dispatch, readCall } from "../cni/dispatch.ts";
import { parseVerb } from "../cni/environment.ts";
import { ownNamespaces } from "../cni/resident.ts";
import { pluginRunner } from "../cni/runtime/runner.ts";
import { ConfigError, errorMessage } from "../core/errors.ts";
import type { AttachmentKey } from "../core/names.ts";
import { type Call, type Plugin, restoreCall } from "../core/plugin.ts";
import type { ResidentAnswer, ResidentCall } from "../core/resident.ts";
import { bootClock } from "../linux/boot-clock.ts";
import { ensureFolder } from "../linux/file.ts";
import { readLink } from "../linux/libc-file.ts";
import { networksFolder } from "../linux/run-folder.ts";
import { recordsOfContainer } from "../plan/record.ts";
import { clusterTypes, typeAskedFor, typeNamed } from "../plugins/types.ts";
import { HostSockets } from "../resources/host-sockets.ts";
import { LinkDeletions } from "../resources/link-deletion.ts";
import { loadBuiltins } from "./builtins.ts";
import { isForContainer } from "./container-calls.ts";
import { addsOf, asksOthers, NetworksInAgent } from "./networks/in-agent.ts";
import { type NetworksAnswer, partOf, STATUS } from "./networks/parts.ts";
import type { PodNetwork } from "./networks/pod-network.ts";
import { readNetworks } from "./networks/record.ts";
import { detachAll } from "./networks/several.ts";
import { aboutPlugin, objectIn } from "./plugin.ts";
import { Turns } from "./turns.ts";

/** What the node's place in a cluster adds to calls. */
export interface ClusterCalls {
  /** The IPAM plugin of the cluster, under each of its names. */
  readonly ipam: (type: string) => Plugin | undefined;
  /**
   * Before a call: what of it has to wait for others. Returns what takes that back should the call fail. Throws what the
   * call is to answer.
   */
  readonly prepare: (call: Call) => Promise<() => void>;
  /**
   * The configuration of a call with what the node knows better; `call` is an ADD as it came. Throws what the call is to
   * answer.
   */
  readonly complete: (type: string, config: Record<string, unknown>, call: Call | undefined) => Promise<Completed>;
  /** Has the pod of a call told what its networks have come to be, behind the call. Throws TryAgainError. */
  readonly tell: (call: Call, networks: readonly object[]) => Promise<void>;
}

export interface Completed {
  readonly config: Record<string, unknown>;
  /** What the pod is to be attached to beside. */
  readonly networks: readonly PodNetwork[];
}

/** The plugin that is called, its input, and what takes back what was given to it beforehand. */
interface Prepared {
  readonly plugin: Plugin;
  readonly text: string;
  readonly takeBack: () => void;
  /** What there is to answer instead, such as one part of the call alone; nothing where it is left to its process. */
  readonly instead?: { readonly answer: ResidentAnswer | undefined };
}

export interface ResidentOptions {
  readonly runFolder: string;
  readonly cluster?: ClusterCalls | undefined;
  /** This process has files of its own, and serves those who have the host's. */
  readonly inContainer?: boolean;
  /** Told of what goes wrong after a call has been answered. */
  readonly failed: (error: unknown) => void;
}

/** Serves calls in the namespaces that this process is in. */
export async function residentCalls(options: ResidentOptions): Promise<Calls> {
  const { runFolder, cluster, inContainer = false, failed } = options;
  const sockets = new HostSockets();
  const deletions = new LinkDeletions({ runFolder, sockets, failed });
  const builtin = await loadBuiltins({ kept: { sockets, deletions }, ipam: cluster?.ipam });
  const networks = new NetworksInAgent({ runFolder, builtin, inContainer });
  if (cluster !== undefined) ensureFolder(networksFolder(runFolder));
  const own = ownNamespaces();
  const host = inContainer ? hostMounts() : own.mnt;
  const turns = new Turns();
  /** The containers of which links are marked, and before which deletion. */
  const leaving = { batch: 0, containers: new Set<string>() };
  // What a process has marked that was killed.
  deletions.noteMarked();

  /** A runtime that has given up on a call may come with the next one while the first is still being prepared. */
  async function serve(call: ResidentCall): Promise<ResidentAnswer | undefined> {
    const { env, namespaces } = call;
    if (namespaces.net !== own.net) return undefined;
    if (namespaces.mnt !== own.mnt && (namespaces.mnt !== host || !isForContainer(call))) return undefined;
    const { CNI_CONTAINERID: container } = env;
    return container ? await turns.take(container, () => serveNow(call)) : await serveNow(call);
  }

  async function serveNow({ type, env, stdin, until }: ResidentCall): Promise<ResidentAnswer | undefined> {
    if (bootClock() > until) return undefined;
    const config = objectIn(stdin);
    const wanted = type ?? typeAskedFor(config);
    const plugin = builtin(wanted);
    if (plugin === undefined || asksOthers(config)) return undefined;
    const container = env.CNI_CONTAINERID ?? "";
    const isDel = env.CNI_COMMAND === "DEL";
    if (!isDel && isLeaving(container)) await deletions.settled();
    const { plugin: ready, text, takeBack, instead } = await prepared(plugin, wanted, config, { env, stdin });
    if (instead !== undefined) return instead.answer;
    let stdout = "";
    let stderr = "";
    const status = dispatch({
      plugin: ready,
      env,
      stdin: () => text,
      stdout: (answer) => {
        stdout += answer;
      },
      stderr: (sentence) => {
        stderr += sentence;
      },
      about: aboutPlugin(plugin.type),
    });
    if (status !== 0) takeBack();
    if (deletions.pending) {
      noteLeaving(container);
      // The interface plugin's DEL comes last, and waits for what all have marked.
      if (!(isDel && plugin.chained)) await deletions.settled();
    }
    return { status, stdout, stderr };
  }

  function noteLeaving(container: string): void {
    if (leaving.batch !== deletions.batch) leaving.containers.clear();
    leaving.batch = deletions.batch;
    leaving.containers.add(container);
  }

  /** Whether a container has links that are marked and not gone yet. */
  function isLeaving(container: string): boolean {
    return leaving.batch === deletions.batch && leaving.containers.has(container);
  }

  /** How the call is to be served. What is wrong here, it is to answer. */
  async function prepared(
    plugin: Plugin,
    type: string,
    config: Record<string, unknown> | undefined,
    { env, stdin }: { readonly env: ResidentCall["env"]; readonly stdin: string },
  ): Promise<Prepared> {
    const asItIs = { plugin, text: stdin, takeBack: () => {} };
    if (cluster === undefined || config === undefined) return asItIs;
    try {
      return await preparedIn(cluster, plugin, { type, config, env, stdin });
    } catch (error) {
      return { ...asItIs, plugin: failing(plugin, error) };
    }
  }

  async function preparedIn(
    { complete, prepare, tell }: ClusterCalls,
    plugin: Plugin,
    { type, config, env, stdin }: Asked,
  ): Promise<Prepared> {
    const read = (text: string) => callIn({ env, stdin: () => text, stderr: () => {} });
    const part = partOf(config);
    const leave: Prepared = { plugin, text: stdin, takeBack: () => {}, instead: { answer: undefined } };
    const say = (stdout: string): Prepared => ({ ...leave, instead: { answer: { status: 0, stdout, stderr: "" } } });
    const call = read(stdin);
    if (part === "tell") {
      if (call !== undefined && Array.isArray(config[STATUS])) await tell(call, config[STATUS]);
      return say("");
    }
    const completed = await complete(type, config, call);
    const isAsItCame = completed.config === config;
    const text = isAsItCame ? stdin : JSON.stringify(completed.config);
    if (part === "networks") return say(JSON.stringify({ networks: completed.networks } satisfies NetworksAnswer));
    if (call === undefined) return withRecorded(plugin, { type, config, env, stdin }, text) ?? leave;
    const own = part === "own" ? [] : completed.networks;
    if (!networks.canServe(own, env.CNI_NETNS ?? "")) return leave;
    const ready = isAsItCame ? call : read(text);
    if (ready === undefined) return { plugin, text, takeBack: () => {} };
    const takeBack = await preparedAll([ready, ...addsOf(own, ready)], prepare);
    const attached = (status: readonly object[]) => void tell(call, status).catch(failed);
    return { plugin: own.length === 0 ? plugin : networks.plugin(plugin, own, attached), text, takeBack };
  }

  /** A call other than ADD, with the networks on record; undefined where they are the process's. */
  function withRecorded(plugin: Plugin, { type, config, env, stdin }: Asked, text: string): Prepared | undefined {
    const asItIs = { plugin, text, takeBack: () => {} };
    if (!clusterTypes.includes(type) || partOf(config) !== undefined) return asItIs;
    const verb = env.CNI_COMMAND ?? "";
    const call = anyCallIn({ env, stdin: () => stdin, stderr: () => {} });
    const records = call === undefined ? [] : networks.recordsOf(verb, call);
    if (records.length === 0) return asItIs;
    if (!records.every((record) => networks.canServe(record.networks, record.netns))) return undefined;
    return { ...asItIs, plugin: networks.plugin(plugin, [], () => {}) };
  }

  return {
    serve,
    typeOf: typeNamed,
    detach: (key, warn) => detach(builtin, runFolder, key, warn),
    settled: () => deletions.settled(),
  };
}

interface Asked {
  readonly type: string;
  readonly config: Record<string, unknown>;
  readonly env: ResidentCall["env"];
  readonly stdin: string;
}

/** All are prepared, or none. */
async function preparedAll(calls: readonly Call[], prepare: ClusterCalls["prepare"]): Promise<() => void> {
  const takeBacks: (() => void)[] = [];
  const takeBack = () => {
    for (const each of takeBacks.toReversed()) each();
  };
  try {
    for (const call of calls) takeBacks.push(await prepare(call));
    return takeBack;
  } catch (error) {
    takeBack();
    throw error;
  }
}

/** The mount namespace of the host's first process. Throws ConfigError where that cannot be seen. */
function hostMounts(): string {
  try {
    return readLink("/proc/1/ns/mnt");
  } catch (cause) {
    throw new ConfigError("inContainer", "needs to see the host's first process: /proc/1/ns/mnt cannot be read", {
      details: "In Kubernetes that takes hostPID and the capability SYS_PTRACE.",
      cause,
    });
  }
}

/** Takes an attachment off its network, as its runtime's DEL would. Throws what DEL would answer. */
export function detach(
  builtin: (type: string) => Plugin | undefined,
  runFolder: string,
  key: AttachmentKey,
  warn: (sentence: string) => void,
): void {
  const networks = readNetworks(runFolder, key, warn);
  if (networks !== undefined) {
    const run = pluginRunner({ builtin, inherited: {} });
    for (const error of detachAll(networks, { path: [], warn }, { runFolder, run })) warn(errorMessage(error));
  }
  const records = recordsOfContainer(runFolder, key.containerId, warn).filter(
    (record) => record.key.network === key.network && record.key.ifname === key.ifname,
  );
  for (const { plugin, resources } of records.toReversed()) {
    const lease = resources.find((resource) => resource.kind === "lease");
    // Without a lease it is a chained plugin's, whose part goes with the interface or with the runtime's own DEL.
    if (lease !== undefined) builtin(plugin)?.del(restoreCall(lease.call, warn));
  }
}

/** What ADD is called with; undefined for another verb, and for what dispatch will say is wrong. */
function callIn(source: CallSource): Call | undefined {
  return source.env.CNI_COMMAND === "ADD" ? anyCallIn(source) : undefined;
}

/** What is called; undefined for what dispatch will say is wrong. */
function anyCallIn(source: CallSource): Call | undefined {
  try {
    const verb = parseVerb(source.env.CNI_COMMAND ?? "");
    return verb === "VERSION" ? undefined : readCall(verb, source);
  } catch {
    return undefined;
  }
}

/** A plugin whose ADD fails before it has done anything. */
function failing(plugin: Plugin, error: unknown): Plugin {
  return {
    ...plugin,
    add: () => {
      throw error;
    },
  };
}
