/** The cluster's store, for commands: which one it is, and its documents while a command runs. */

import { type Command, InvalidArgumentError } from "commander";
import { parse } from "yaml";
import { type ClusterStore, clusterStore } from "../cluster/cluster-store.ts";
import { ConfigError, TendrilError } from "../core/errors.ts";
import { object, optional, text } from "../core/schema.ts";
import { readTextIfExists } from "../linux/file.ts";
import { openStore, type StoreOptions, storeOptions } from "../store/open.ts";
import type { Store } from "../store/store.ts";

/** Where the agent's configuration lies unless TENDRIL_AGENT_CONFIG names another file. */
export const DEFAULT_AGENT_CONFIG = "/etc/tendril/agent.yaml";

export interface StoreChoice {
  readonly store?: string;
  readonly storeOption?: Readonly<Record<string, string>>;
}

/** The options by which a command is told of a store. */
export function withStoreOptions(command: Command): Command {
  return command
    .option("--store <url>", "the cluster's store (default: TENDRIL_STORE, else that of the agent's configuration)")
    .option(
      "--store-option <name=value>",
      "prefix, ca, cert, key, user or passwordFile of an etcd; server, context or namespace of a Kubernetes",
      collectPair,
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
  TENDRIL_AGENT_CONFIG  the agent's configuration, whose store is asked else (${DEFAULT_AGENT_CONFIG})`;

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

/** Options go with the address that they stand beside. Throws ConfigError, and TendrilError when nothing names a store. */
export function chooseStore(choice: StoreChoice, env: Readonly<Record<string, string | undefined>>): ChosenStore {
  const given = choice.storeOption === undefined ? {} : storeOptions(choice.storeOption, "--store-option");
  if (choice.store !== undefined) return { url: choice.store, options: given, field: "--store" };
  if (env.TENDRIL_STORE) return { url: env.TENDRIL_STORE, options: given, field: "TENDRIL_STORE" };
  const path = env.TENDRIL_AGENT_CONFIG || DEFAULT_AGENT_CONFIG;
  const source = readTextIfExists(path);
  const { store, storeOptions: options } = source === undefined ? {} : agentFields(parseYaml(source, path), "");
  if (store === undefined) {
    throw new TendrilError("It is not known which store the cluster has", {
      details: `Name it by --store or TENDRIL_STORE, or as "store" in "${path}".`,
    });
  }
  return { url: store, options: { ...options, ...given }, field: "store" };
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
