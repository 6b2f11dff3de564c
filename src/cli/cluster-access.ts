/** The cluster's store, for commands: which one it is, and its documents while a command runs. */

import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { parse } from "yaml";
import { type ClusterStore, clusterStore } from "../cluster/cluster-store.ts";
import { ConfigError, TendrilError } from "../core/errors.ts";
import { object, optional, text } from "../core/schema.ts";
import { readTextIfExists } from "../linux/file.ts";
import { openStore, ownKubeconfigs, type StoreOptions, storeOptions } from "../store/open.ts";
import type { Store } from "../store/store.ts";

/** Where the agent's configuration lies unless TENDRIL_AGENT_CONFIG names another file. */
export const DEFAULT_AGENT_CONFIG = "/etc/tendril/agent.yaml";

/** By what a command is told of a cluster in Kubernetes, as kubectl is. */
export interface KubeconfigChoice {
  readonly storeOption?: Readonly<Record<string, string>>;
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Called as kubectl's plugin: what kubectl speaks to goes before what this node's agent has. */
  readonly kubectl?: boolean;
}

export interface StoreChoice extends KubeconfigChoice {
  readonly store?: string;
}

/** The options by which a command is told of a cluster in Kubernetes. */
export function withKubeconfigOptions(command: Command): Command {
  return command
    .option("--kubeconfig <file>", "the cluster of this kubeconfig, by its API server")
    .option("--context <name>", "that of another context than the kubeconfig's current one")
    .option(
      "--store-option <name=value>",
      "server, context or namespace of a Kubernetes; prefix, ca, cert, key, user or passwordFile of an etcd",
      collectPair,
    );
}

/** The options by which a command is told of a store. */
export function withStoreOptions(command: Command): Command {
  return withKubeconfigOptions(
    command.option(
      "--store <url>",
      "the cluster's store (default: TENDRIL_STORE, else that of the agent's configuration)",
    ),
  );
}

/** Pairs such as `key=value` of an option that may be given several times. */
export function collectPair(pair: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [name, value] = pair.split(/=(.*)/s);
  if (!name || value === undefined) throw new InvalidArgumentError("It is NAME=VALUE.");
  return { ...before, [name]: value };
}

export const STORE_HELP = `
Variables:
  TENDRIL_STORE         address of the store, such as etcd://10.0.0.1:2379, dir:/var/lib/tendril/store or kubernetes:/PATH/OF/KUBECONFIG
  TENDRIL_AGENT_CONFIG  the agent's configuration, whose store is asked else (${DEFAULT_AGENT_CONFIG})
  KUBECONFIG            kubeconfigs of the cluster that is asked where there is no such configuration (~/.kube/config)`;

const agentFields = object<{ store: string | undefined; storeOptions: StoreOptions | undefined }>({
  store: optional(text),
  storeOptions: optional(storeOptions),
});

/** Which store a command works with. */
export interface ChosenStore {
  readonly url: string;
  readonly options: StoreOptions;
  /** What the address is called in messages. */
  readonly field: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The store that something names, else that of the cluster that kubectl speaks to. Throws ConfigError, and TendrilError when
 * there is neither.
 */
export function chooseStore(choice: StoreChoice, env: Env): ChosenStore {
  const chosen = namedStore(choice, env) ?? (ownKubeconfigs(env).length > 0 ? kubeconfigStore(choice) : undefined);
  if (chosen !== undefined) return chosen;
  throw new TendrilError("It is not known which store the cluster has", {
    details: `Name it by --store or TENDRIL_STORE, or as "store" in "${agentConfigPath(env)}", or a kubeconfig by --kubeconfig or KUBECONFIG.`,
  });
}

/**
 * The store that the command line, the environment or the agent's configuration names. Options go with the address that
 * they stand beside. Throws ConfigError.
 */
export function namedStore(choice: StoreChoice, env: Env): ChosenStore | undefined {
  const given = givenOptions(choice);
  if (choice.store !== undefined) return { url: choice.store, options: given, field: "--store" };
  if (isOfKubectl(choice)) return kubeconfigStore(choice);
  if (env.TENDRIL_STORE) return { url: env.TENDRIL_STORE, options: given, field: "TENDRIL_STORE" };
  const path = agentConfigPath(env);
  const source = readTextIfExists(path);
  const { store, storeOptions: options } = source === undefined ? {} : agentFields(parseYaml(source, path), "");
  return store === undefined ? undefined : { url: store, options: { ...options, ...given }, field: "store" };
}

/** Whether a command line asks for the cluster that kubectl speaks to, whatever this machine is part of. */
export function isOfKubectl({ kubeconfig, context, kubectl = false }: KubeconfigChoice): boolean {
  return Boolean(kubeconfig || context) || kubectl;
}

/** The store of the cluster that kubectl speaks to. Throws ConfigError for options that cannot be used. */
export function kubeconfigStore(choice: KubeconfigChoice): ChosenStore {
  const { kubeconfig, context } = choice;
  return {
    url: kubeconfig ? `kubernetes:${resolve(kubeconfig)}` : "kubernetes:",
    options: { ...givenOptions(choice), ...(context && { context }) },
    field: kubeconfig ? "--kubeconfig" : "KUBECONFIG",
  };
}

function givenOptions({ storeOption }: KubeconfigChoice): StoreOptions {
  return storeOption === undefined ? {} : storeOptions(storeOption, "--store-option");
}

function agentConfigPath(env: Env): string {
  return env.TENDRIL_AGENT_CONFIG || DEFAULT_AGENT_CONFIG;
}

function parseYaml(source: string, path: string): unknown {
  try {
    return parse(source) ?? {};
  } catch (error) {
    throw new ConfigError(path, "must be YAML or JSON", { cause: error });
  }
}

/** Runs work with the cluster's documents, and closes the store after it. Throws what the work throws. */
export async function withCluster<T>(
  choice: StoreChoice,
  work: (cluster: ClusterStore, store: Store) => Promise<T>,
): Promise<T> {
  const { url, options, field } = chooseStore(choice, process.env);
  const store = openStore(url, options, { field });
  try {
    return await work(clusterStore(store, console.error), store);
  } finally {
    await store.close();
  }
}
