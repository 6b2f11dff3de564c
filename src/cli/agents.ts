/** The agents of a cluster in Kubernetes, asked from anywhere: commands are run in their pods by the API server. */

import { agentStatusIfAny } from "../cni/agent-client.ts";
import { type AgentStatus, agentStatusSchema } from "../core/agent-status.ts";
import { ConfigError, DecodeError, TendrilError } from "../core/errors.ts";
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

/** What an agent says of itself, or why it says nothing. */
export type AgentAnswer =
  | { readonly node: string; readonly status: AgentStatus; readonly error?: undefined }
  | { readonly node: string; readonly status?: undefined; readonly error: TendrilError };

export class Agents {
  readonly #client: ApiClient;
  readonly #namespace: string;
  readonly #podNamespace: string;
  #pods: ReadonlyMap<string, string> | undefined;

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

  /** Its standard output, and status, of a command of ours on a node. Throws TendrilError when it cannot be run. */
  async run(node: string, args: readonly string[]): Promise<ExecResult> {
    const pod = (await this.#agentPods()).get(node);
    if (pod === undefined) {
      throw new TendrilError(`No agent runs on node "${node}"`, {
        details: `kubectl --namespace ${this.#namespace} get pods -o wide shows where they do.`,
      });
    }
    const command = [EXECUTABLE_PATH, ...args];
    return await execInPod(
      this.#client,
      { namespace: this.#namespace, pod, container: AGENT_CONTAINER, command },
      TIMEOUT,
    );
  }

  /** What the agent of a node says of itself. Throws TendrilError. */
  async status(node: string): Promise<AgentStatus> {
    const answer = await this.run(node, ["status", "--output", "json"]);
    try {
      const status = agentStatusSchema(JSON.parse(answer.stdout), "");
      return { ...status, node: status.node || node };
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof SyntaxError)) throw error;
      const said = answer.stderr.trim().split("\n").at(0) ?? "";
      throw new DecodeError(`The agent of node "${node}" gives no answer that can be read${said && `: ${said}`}`, {
        cause: error,
        details: "It may be of another version.",
      });
    }
  }

  /** What all of them say, by the names of their nodes. Throws TendrilError when they cannot be found. */
  async statuses(): Promise<readonly AgentAnswer[]> {
    const nodes = [...(await this.#agentPods()).keys()].sort(NATURAL.compare);
    const answers: AgentAnswer[] = [];
    const ask = async (): Promise<void> => {
      for (let node = nodes.shift(); node !== undefined; node = nodes.shift()) {
        try {
          answers.push({ node, status: await this.status(node) });
        } catch (error) {
          // What may not be asked of one may not be asked of any.
          if (!(error instanceof TendrilError) || error instanceof ApiError) throw error;
          answers.push({ node, error });
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
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

  /** The names of their pods that run, by their nodes. */
  async #agentPods(): Promise<ReadonlyMap<string, string>> {
    if (this.#pods !== undefined) return this.#pods;
    const labelSelector = Object.entries(AGENT_LABELS)
      .map((pair) => pair.join("="))
      .join(",");
    const path = `/api/v1/namespaces/${this.#namespace}/pods`;
    const { items } = await this.#client.call<{ readonly items: readonly AgentObject[] }>({
      path,
      query: { labelSelector },
    });
    const running = items.filter(({ metadata, status }) => status?.phase === "Running" && !metadata.deletionTimestamp);
    if (running.length === 0) {
      throw new TendrilError(`No agent runs in namespace "${this.#namespace}" of the cluster`, {
        details:
          "Is it the right cluster (--context), or is Tendril in another namespace (--store-option namespace=NAME)?",
      });
    }
    this.#pods = new Map(running.map(({ metadata, spec }) => [spec.nodeName ?? "", metadata.name]));
    return this.#pods;
  }
}

/** By the numbers in names: node2 before node10. */
const NATURAL = new Intl.Collator("en", { numeric: true });

/**
 * Runs work with the agents of the cluster that kubectl speaks to, where the command line means that or where nothing else is
 * known: no agent answers here, and nothing names a store. Else the work is for the agent of this node. Throws what the work
 * throws, and ConfigError.
 */
export async function withAgents<T>(choice: StoreChoice, work: (agents: Agents | undefined) => Promise<T>): Promise<T> {
  const agents = (await isElsewhere(choice)) ? new Agents(choice) : undefined;
  try {
    return await work(agents);
  } finally {
    agents?.close();
  }
}

async function isElsewhere(choice: StoreChoice): Promise<boolean> {
  if (isOfKubectl(choice)) return true;
  if (ownKubeconfigs(process.env).length === 0 || (await agentStatusIfAny()) !== undefined) return false;
  return namedStore(choice, process.env) === undefined;
}
