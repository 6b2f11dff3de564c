/**
 * Which networks a cluster's pods have, as the cluster itself says it: where it is declared first, then what its programs
 * are told.
 *
 * Nodes' `spec.podCIDRs` are not among the sources. They are parts of the network, handed out one after the other, and what
 * they have in common grows with the nodes; but what is found has to hold this node's.
 * @see https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/#kubeadm-k8s-io-v1beta4-Networking
 * @see https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/
 * @see https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/
 */

import { parse } from "yaml";
import { formatCidr, networkOf, parseCidr } from "../../core/cidr.ts";
import { DecodeError, errorMessage } from "../../core/errors.ts";
import { type ApiClient, ApiError } from "../../store/kubernetes/client.ts";
import { orMissing } from "../../store/kubernetes/session.ts";

/** What some place says, and where it stands. */
export interface SaidNetworks {
  /** In CIDR notation, one of a family. */
  readonly networks: readonly string[];
  readonly source: string;
}

/** Where the programs of a cluster and their settings are. */
export const SYSTEM_NAMESPACE = "kube-system";

/** The settings that are read, by their names: kubeadm's, and those of the kube-proxy that it installs. */
export const SETTINGS = ["kubeadm-config", "kube-proxy"] as const;

interface ConfigMap {
  readonly data?: Readonly<Record<string, string>>;
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly spec?: { readonly containers?: readonly Container[] };
  }[];
}

interface Container {
  readonly command?: readonly string[];
  readonly args?: readonly string[];
}

/** The programs that are told the networks; kubeadm's and RKE2's pods have the first label, others the second one. */
const PROGRAMS = ["kube-controller-manager", "kube-proxy"];
const PROGRAM_LABELS = ["component", "k8s-app"];

/** How many pods of programs are looked at: all those of one cluster are told the same. */
const MOST = 10;

/**
 * The first that says something. Undefined where nothing does. Throws DecodeError for what cannot be understood,
 * StoreUnavailableError.
 */
export async function readClusterNetworks(client: ApiClient): Promise<SaidNetworks | undefined> {
  const readers: readonly (() => Promise<SaidNetworks | undefined>)[] = [
    () => readSettings(client, "kubeadm-config", networksOfKubeadm),
    () => readSettings(client, "kube-proxy", networksOfProxy),
    ...PROGRAM_LABELS.map((label) => () => readPrograms(client, label)),
  ];
  for (const read of readers) {
    const said = await read();
    if (said !== undefined) return said;
  }
  return undefined;
}

async function readSettings(
  client: ApiClient,
  name: (typeof SETTINGS)[number],
  networksOf: (data: Readonly<Record<string, string>>) => string[],
): Promise<SaidNetworks | undefined> {
  const source = `ConfigMap ${SYSTEM_NAMESPACE}/${name}`;
  const path = `/api/v1/namespaces/${SYSTEM_NAMESPACE}/configmaps/${name}`;
  const found = await unlessForbidden(client.call<ConfigMap>({ path }));
  try {
    const networks = networksOf(found?.data ?? {});
    return networks.length === 0 ? undefined : { networks, source };
  } catch (error) {
    throw new DecodeError(`${source} cannot be understood: ${errorMessage(error)}`, { cause: error });
  }
}

async function readPrograms(client: ApiClient, label: string): Promise<SaidNetworks | undefined> {
  const path = `/api/v1/namespaces/${SYSTEM_NAMESPACE}/pods`;
  const query = { labelSelector: `${label} in (${PROGRAMS.join(",")})`, limit: String(MOST) };
  const found = await unlessForbidden(client.call<PodList>({ path, query }));
  for (const { metadata, spec } of found?.items ?? []) {
    const networks = (spec?.containers ?? []).flatMap(networksOfCommand);
    if (networks.length > 0) return { networks, source: `--cluster-cidr of pod ${SYSTEM_NAMESPACE}/${metadata.name}` };
  }
  return undefined;
}

/** What may not be read is taken for missing: an installation that names the networks has no right to it. */
async function unlessForbidden<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await orMissing(answer);
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return undefined;
    throw error;
  }
}

/** Of ConfigMap kubeadm-config: `networking.podSubnet`. Throws DecodeError, and what the parser of YAML throws. */
export function networksOfKubeadm({ ClusterConfiguration }: Readonly<Record<string, string>>): string[] {
  const { networking } = objectIn(ClusterConfiguration);
  return networksIn((networking as { podSubnet?: unknown } | undefined)?.podSubnet);
}

/** Of ConfigMap kube-proxy: `clusterCIDR`. Throws DecodeError, and what the parser of YAML throws. */
export function networksOfProxy(data: Readonly<Record<string, string>>): string[] {
  return networksIn(objectIn(data["config.conf"]).clusterCIDR);
}

/** Of a program's command line: `--cluster-cidr`, the last one where it stands several times. Throws DecodeError. */
export function networksOfCommand({ command = [], args = [] }: Container): string[] {
  const FLAG = "--cluster-cidr";
  const words = [...command, ...args];
  const values = words.flatMap((word, i) => {
    if (word.startsWith(`${FLAG}=`)) return [word.slice(FLAG.length + 1)];
    return word === FLAG ? [words[i + 1] ?? ""] : [];
  });
  return networksIn(values.at(-1));
}

function objectIn(yaml: string | undefined): Readonly<Record<string, unknown>> {
  const value: unknown = yaml === undefined ? {} : parse(yaml, { logLevel: "error" });
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** Networks parted by commas; none where there is nothing. */
function networksIn(value: unknown): string[] {
  if (value === undefined || value === null || value === "") return [];
  const parts = typeof value === "string" ? value.split(",").map((part) => part.trim()) : [value];
  return parts.map((part) => {
    const network = typeof part === "string" ? parseCidr(part) : undefined;
    if (network === undefined) throw new DecodeError(`${JSON.stringify(value)} are no networks in CIDR notation`);
    return formatCidr(networkOf(network));
  });
}
