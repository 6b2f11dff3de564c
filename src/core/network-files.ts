/** The files out of which container runtimes choose a network for pods: the first one by name, of a folder. */

/** A file that a runtime would take for a network's configuration. */
export interface NetworkFile {
  readonly name: string;
  /** Why a runtime cannot use it. */
  readonly problem?: "empty" | "no JSON" | "no network";
  /** Of the network. */
  readonly network?: string;
  /** Whether pods come to our cluster by it: one of its plugins is the cluster's, or one that calls that. */
  readonly isOurs: boolean;
}

/** What keeps pods from coming to our network. */
export interface InTheWay {
  /** A sentence without its full stop. */
  readonly sentence: string;
  /** What to do. */
  readonly remedy: string;
}

/** Whether a runtime looks at a file of this name. @see https://github.com/containerd/go-cni, of libcni ConfFiles */
export function isNetworkFile(name: string): boolean {
  return /\.(conf|conflist|json)$/.test(name);
}

/** What a file says, as far as runtimes choose by it. */
export function networkFile(name: string, text: string): NetworkFile {
  if (text.trim() === "") return { name, problem: "empty", isOurs: false };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return { name, problem: "no JSON", isOurs: false };
    throw error;
  }
  const { name: network, type, plugins } = (value ?? {}) as { name?: unknown; type?: unknown; plugins?: unknown };
  const all: unknown[] = Array.isArray(plugins) ? plugins : [value];
  const types = all.map((plugin) => (plugin as { type?: unknown } | null)?.type).filter((one) => one !== undefined);
  const isOurs = all.some(leadsToUs);
  const isList = name.endsWith(".conflist");
  if (typeof network !== "string" || types.length === 0 || (!isList && typeof type !== "string")) {
    return { name, problem: "no network", isOurs };
  }
  return { name, network, isOurs };
}

const OURS = "tendril";

/**
 * Whether a plugin is the cluster's, or one such as multus that calls it: by configurations within its own, or by the name
 * of a network or of its file. @see https://github.com/k8snetworkplumbingwg/multus-cni/blob/master/docs/configuration.md
 */
function leadsToUs(plugin: unknown): boolean {
  const { type, delegates, plugins, clusterNetwork } = (plugin ?? {}) as Record<string, unknown>;
  if (type === OURS) return true;
  if (typeof clusterNetwork === "string" && /(^|[/-])tendril(\.conf|\.conflist)?$/.test(clusterNetwork)) return true;
  return [delegates, plugins].some((inner) => Array.isArray(inner) && inner.some(leadsToUs));
}

const PROBLEMS = { empty: "is empty", "no JSON": "is not JSON", "no network": "describes no network" } as const;

/** What a runtime makes of a file that it cannot use; undefined for one that it can. */
export function unusable(folder: string, { name, problem }: NetworkFile): InTheWay | undefined {
  if (problem === undefined) return undefined;
  return {
    sentence: `File "${folder}/${name}" ${PROBLEMS[problem]}: a runtime may refuse all networks for it`,
    remedy: `rm ${folder}/${name}, or write it again; the agent does so for its own when it starts`,
  };
}

/**
 * Another network that runtimes take instead of ours, because its file comes first; undefined where ours does, or where
 * there is none of ours. `own` is the name of our file, where it may not be written yet. The files are in order.
 */
export function foreignFirst(folder: string, files: readonly NetworkFile[], own?: string): InTheWay | undefined {
  const usable = files.filter(({ problem }) => problem === undefined);
  const ours = [...usable.filter(({ isOurs }) => isOurs).map(({ name }) => name), ...(own === undefined ? [] : [own])];
  const first = ours.sort()[0];
  if (first === undefined) return undefined;
  const foreign = usable.filter(({ name }) => name < first);
  const [taken] = foreign;
  if (taken === undefined) return undefined;
  return {
    sentence: `Runtimes take the first file of "${folder}", which is "${taken.name}" (network "${taken.network}") and not "${first}": pods are attached to that network`,
    remedy: `Move ${foreign.map(({ name }) => `${folder}/${name}`).join(" and ")} away, or give ours a name that sorts before`,
  };
}
