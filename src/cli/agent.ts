/** `tendril agent`: the node's daemon, wired to the plugins that it serves; and what takes away all that it has made. */

import { Command } from "commander";
import { runAgent } from "../agent/agent.ts";
import { cleanUp } from "../agent/cleanup.ts";
import { type AgentConfig, parseAgentConfig } from "../agent/config.ts";
import { readNetworkSource } from "../agent/network-source.ts";
import type { ClusterNode } from "../agent/node.ts";
import { logTo } from "../cluster/log.ts";
import { ConfigError, errorMessage, FileError } from "../core/errors.ts";
import { readTextIfExists } from "../linux/file.ts";
import { DEFAULT_RUN_FOLDER, runFolder } from "../linux/run-folder.ts";
import { listRecords } from "../plan/record.ts";
import { clusterTypes } from "../plugins/types.ts";
import { loadBuiltins } from "./builtins.ts";
import { clusterCalls } from "./cluster-calls.ts";
import { detach, residentCalls } from "./resident.ts";

/** Where the configuration lies unless it is named. */
const DEFAULT_CONFIG = "/etc/tendril/agent.yaml";

/** The folder of state that lasts. */
const DEFAULT_STATE_FOLDER = "/var/lib/tendril";

const NOTES = `
Variables:
  TENDRIL_RUN_DIR    folder of the socket and of attachment records (${DEFAULT_RUN_FOLDER})
  TENDRIL_STATE_DIR  folder of state that lasts (${DEFAULT_STATE_FOLDER})

Without a store the agent serves the plugins of this machine alone, which need not start then.

Examples:
  tendril agent
  tendril agent --store etcd://10.0.0.1:2379 --mode vxlan --subnet 10.244.0.0/16
  tendril agent --store etcd://10.0.0.1:2379 --from /etc/cni/net.d/10-simplecni.conf`;

interface Flags {
  readonly config?: string;
  readonly from?: string;
  readonly node?: string;
  readonly network?: string;
  readonly store?: string;
  readonly mode?: string;
  readonly subnet?: string[];
}

/** `exit` is told the exit status where it is another than that of whether something was thrown. */
export function agentCommand(exit: (status: number) => void): Command {
  const cleanup = withConfig(new Command("cleanup"))
    .description("remove all that the agent has made of this node's network, and give up its place in the cluster")
    .addHelpText("after", "\nExample:\n  tendril agent cleanup --config /etc/tendril/agent.yaml")
    .action(async (flags: Flags) => exit(await clean(flags)));
  return withConfig(new Command("agent").enablePositionalOptions())
    .description("serve the plugins of this node, and make it one of a cluster")
    .addHelpText("after", NOTES)
    .action(agent)
    .addCommand(cleanup);
}

function withConfig(command: Command): Command {
  return command
    .option("--config <file>", `the configuration in YAML or JSON (${DEFAULT_CONFIG} where that is there)`)
    .option("--from <file>", "take network, mode, subnet and bridge from this CNI network configuration")
    .option("--node <name>", "the node's name (the host's)")
    .option("--network <name>", "name of the CNI network (tendril)")
    .option("--store <url>", "where the cluster's documents are: dir:/FOLDER, etcd://HOST:PORT or kubernetes:")
    .option("--mode <mode>", "how packets get to other nodes: host-gw, vxlan, ipip, bgp or auto")
    .option("--subnet <cidr...>", "the networks of all pods, one of each family");
}

async function agent(flags: Flags): Promise<void> {
  const config = readConfig(flags);
  const log = logTo((line) => process.stderr.write(line), config.log);
  const folder = runFolder();
  const failed = (error: unknown) => log.error("something went wrong", { error: errorMessage(error) });
  const calls = (node: ClusterNode | undefined) =>
    residentCalls({
      runFolder: folder,
      cluster: node && clusterCalls(node),
      inContainer: config.inContainer,
      failed,
    });
  await runAgent({ config, runFolder: folder, stateFolder: stateFolder(), log, calls });
}

async function clean(flags: Flags): Promise<number> {
  const { cluster } = readConfig(flags);
  if (cluster === undefined) throw new ConfigError("store", "is missing: this node is in no cluster");
  const folder = runFolder();
  const builtin = await loadBuiltins();
  const warn = (sentence: string) => console.error(sentence);
  const detachAll = () =>
    listRecords(folder, warn, cluster.network).flatMap(({ key }) => {
      try {
        detach(builtin, folder, key, warn);
        return [];
      } catch (error) {
        return [error];
      }
    });
  const say = (line: string) => console.log(line);
  const errors = await cleanUp({ config: cluster, runFolder: folder, stateFolder: stateFolder(), detachAll, say });
  for (const error of errors) warn(errorMessage(error));
  return errors.length === 0 ? 0 : 1;
}

function readConfig({ config, from, ...flags }: Flags): AgentConfig {
  const given = from === undefined ? {} : readNetworkSource(readNamed(from, "network configuration"), clusterTypes);
  return parseAgentConfig(configText(config), { ...given, ...flags });
}

/** The file that is named has to be there; the usual one need not. */
function configText(path: string | undefined): string {
  return path === undefined ? (readTextIfExists(DEFAULT_CONFIG) ?? "") : readNamed(path, "agent's configuration");
}

function readNamed(path: string, what: string): string {
  const text = readTextIfExists(path);
  if (text !== undefined) return text;
  throw new FileError(`Cannot read the ${what} "${path}": it is not there`);
}

function stateFolder(): string {
  return process.env.TENDRIL_STATE_DIR || DEFAULT_STATE_FOLDER;
}
