/** The agents of a cluster in Kubernetes, asked from anywhere: commands are run in their pods by the API server. */

import { existsSync } from "node:fs";
import { type AgentStatus, agentStatusSchema } from "../core/agent-status.ts";
import { ConfigError, DecodeError, TendrilError } from "../core/errors.ts";
import type { Schema } from "../core/schema.ts";
import { runFolder } from "../linux/run-folder.ts";
import { ApiClient, ApiError } from "../store/kubernetes/client.ts";
import { type ExecResult, execInPod } from "../store/kubernetes/exec.ts";
import { NAMESPACE } from "../store/kubernetes/resources.ts";
import { kubernetesAccess, ownKubeconfigs } from "../store/open.ts";
import { isOfKubectl, kubeconfigStore, namedStore, type StoreChoice } from "./cluster-access.ts";
import { AGENT_CONTAINER, AGENT_LABELS, EXECUTABLE_PATH } from "./manifest/daemon-set.ts";

/** Milliseconds that a command in an agent's pod may take. */
const TIMEOUT = 30_000;

/** How many are asked at once. */
const AT_ONCE = 16;

interface AgentObject {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status?: { readonly phase?: string };
}

interface PodObject {
  readonly spec: { readonly nodeName?: string; readonly hostNetwork?: boolean };
  readonly status?: { readonly podIPs?: readonly { readonly ip: string }[] };
}

/** A pod as the API server knows it. */
export interface KnownPod {
  readonly name: string;
  readonly node: string;
  readonly addresses: readonly string[];
}

/** What a node's agent answers, or why it does not. */
export type NodeAnswer<T> =
  | { readonly node: string; readonly value: T; readonly error?: undefined }
  | { readonly node: string; readonly value?: undefined; readonly error: TendrilError };

interface AgentPod {
  readonly name: string;
  /** `Running` when commands can be run in it. */
  readonly phase: string;
}

export class Agents {
  readonly #client: ApiClient;
  readonly #namespace: string;
  readonly #podNamespace: string;
  #pods: ReadonlyMap<string, AgentPod> | undefined;

  /** Those of the cluster that kubectl speaks to. Throws ConfigError. */
  constructor(choice: StoreChoice) {
    const { url, options, field } = kubeconfigStore(choice);
    const source = kubernetesAccess(url, options, field);
    this.#client = new ApiClient({ source });
    this.#namespace = options.namespace ?? NAMESPACE;
    this.#podNamespace = source().namespace ?? "default";
  }

  close(): void {
    this.#client.close();
  }

  /** What a command of ours that prints JSON tells on a node, however it ends. Throws TendrilError. */
  async ask<T>(node: string, args: readonly string[], schema: Schema<T>): Promise<T> {
    const { stdout, stderr } = await this.#run(node, args);
    try {
      return schema(JSON.parse(stdout), "");
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof SyntaxError)) throw error;
      const said = stderr.trim().split("\n").at(0) ?? "";
      throw new DecodeError(`The agent of node "${node}" gives no answer that can be read${said && `: ${said}`}`, {
        cause: error,
        details: "It may be of another version.",
      });
    }
  }

  /** What the agent of a node says of itself. Throws TendrilError. */
  async status(node: string): Promise<AgentStatus> {
    const status = await this.ask(node, ["status", "--output", "json"], agentStatusSchema);
    return { ...status, node: status.node || node };
  }

  /** What all nodes answer, in the order of their names. Throws TendrilError when they cannot be found, or not be asked. */
  async each<T>(ask: (node: string) => Promise<T>): Promise<readonly NodeAnswer<T>[]> {
    const nodes = [...(await this.#agentPods()).keys()].sort(NATURAL.compare);
    const answers: NodeAnswer<T>[] = [];
    const work = async (): Promise<void> => {
      for (let node = nodes.shift(); node !== undefined; node = nodes.shift()) {
        try {
          answers.push({ node, value: await ask(node) });
        } catch (error) {
          // What may not be asked of one may not be asked of any.
          if (!(error instanceof TendrilError) || (error instanceof ApiError && error.isOfAsker)) throw error;
          answers.push({ node, error });
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return answers.sort((a, b) => NATURAL.compare(a.node, b.node));
  }

  /** A pod by `NAMESPACE/NAME`, or by its name alone in the context's namespace. Throws TendrilError. */
  async pod(text: string): Promise<KnownPod> {
    const [namespace, name, ...rest] = text.includes("/") ? text.split("/") : [this.#podNamespace, text];
    if (!namespace || !name || rest.length > 0) {
      throw new TendrilError(`"${text}" is no pod of the cluster`, { details: "Name it as NAMESPACE/NAME." });
    }
    const { spec, status } = await this.#find(namespace, name);
    const shown = `${namespace}/${name}`;
    if (spec.hostNetwork) throw new TendrilError(`Pod "${shown}" has its node's own network, which no way leads into`);
    const addresses = status?.podIPs?.map(({ ip }) => ip) ?? [];
    if (spec.nodeName === undefined || addresses.length === 0) {
      throw new TendrilError(`Pod "${shown}" has no address yet`, { details: "kubectl describe pod says why." });
    }
    return { name: shown, node: spec.nodeName, addresses };
  }

  async #find(namespace: string, name: string): Promise<PodObject> {
    const [inNamespace, pod] = [namespace, name].map(encodeURIComponent);
    try {
      return await this.#client.call<PodObject>({ path: `/api/v1/namespaces/${inNamespace}/pods/${pod}` });
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
      throw new TendrilError(`There is no pod "${name}" in namespace "${namespace}"`, { cause: error });
    }
  }

  /** Runs a command of ours on a node. Throws TendrilError when that cannot be done. */
  async #run(node: string, args: readonly string[]): Promise<ExecResult> {
    const pod = (await this.#agentPods()).get(node);
    const namespace = this.#namespace;
    if (pod?.phase !== RUNNING) {
      const why = pod === undefined ? "" : `: its pod "${pod.name}" is ${pod.phase}`;
      throw new TendrilError(`No agent runs on node "${node}"${why}`, {
        details: `kubectl --namespace ${namespace} get pods -o wide shows where they do.`,
      });
    }
    const command = [EXECUTABLE_PATH, ...args];
    return await execInPod(this.#client, { namespace, pod: pod.name, container: AGENT_CONTAINER, command }, TIMEOUT);
  }

  /** Their pods by their nodes; of several on one that which runs. */
  async #agentPods(): Promise<ReadonlyMap<string, AgentPod>> {
    if (this.#pods !== undefined) return this.#pods;
    const labelSelector = Object.entries(AGENT_LABELS)
      .map((pair) => pair.join("="))
      .join(",");
    const path = `/api/v1/namespaces/${this.#namespace}/pods`;
    const { items } = await this.#client.call<{ readonly items: readonly AgentObject[] }>({
      path,
      query: { labelSelector },
    });
    const pods = items.flatMap(({ metadata, spec: { nodeName }, status }): [string, AgentPod][] => {
      const phase = metadata.deletionTimestamp === undefined ? (status?.phase ?? "Unknown") : "Terminating";
      return nodeName === undefined ? [] : [[nodeName, { name: metadata.name, phase }]];
    });
    if (pods.length === 0) {
      throw new TendrilError(`No agent runs in namespace "${this.#namespace}" of the cluster`, {
        details:
          "Is it the right cluster (--context), or is Tendril in another namespace (--store-option namespace=NAME)?",
      });
    }
    const isRunning = ([, { phase }]: [string, AgentPod]) => phase === RUNNING;
    this.#pods = new Map([...pods.filter((pod) => !isRunning(pod)), ...pods.filter(isRunning)]);
    return this.#pods;
  }
}

const RUNNING = "Running";

/** By the numbers in names: node2 before node10. */
const NATURAL = new Intl.Collator("en", { numeric: true });

/**
 * Runs work with the agents of the cluster that kubectl speaks to, where the command line means that, or on a machine that is
 * no node and of which nothing names a store. Else the work is for the agent of this node. Throws what the work throws, and
 * ConfigError.
 */
export async function withAgents<T>(choice: StoreChoice, work: (agents: Agents | undefined) => Promise<T>): Promise<T> {
  const agents = isOfKubectl(choice) || isNoNode(choice) ? new Agents(choice) : undefined;
  try {
    return await work(agents);
  } finally {
    agents?.close();
  }
}

/** On a node there is the folder of its agent, whether that runs or not. */
function isNoNode(choice: StoreChoice): boolean {
  if (ownKubeconfigs(process.env).length === 0 || existsSync(runFolder())) return false;
  return namedStore(choice, process.env) === undefined;
}
