/** `tendril add|del|check|gc|status`: a network by its name, as cnitool(1) does it and with its variables. */

import { Command } from "commander";
import { readCall } from "../cni/dispatch.ts";
import { parseArgs, parsePath, type Variables } from "../cni/environment.ts";
import { askAgent } from "../cni/resident.ts";
import { resultJson } from "../cni/results/result.ts";
import { type Attachment, attachmentVariables, cnitoolContainerId } from "../cni/runtime/attachment.ts";
import { DEFAULT_CACHE_FOLDER, listCached, readCachedResult } from "../cni/runtime/cache.ts";
import { DEFAULT_NETWORK_FOLDER, loadNetwork, type Network } from "../cni/runtime/network.ts";
import type { RunPlugin } from "../cni/runtime/operations.ts";
import {
  addNetwork,
  checkNetwork,
  delNetwork,
  gcNetwork,
  type Runtime,
  statusNetwork,
  walkChain,
} from "../cni/runtime/operations.ts";
import { attachmentRequest } from "../cni/runtime/request.ts";
import { pluginRunner } from "../cni/runtime/runner.ts";
import { ConfigError } from "../core/errors.ts";
import type { Call, Plugin, ValidAttachment } from "../core/plugin.ts";
import type { Result } from "../core/result.ts";
import { exists } from "../linux/libc-file.ts";
import { closeNetns, openNetnsIfExists } from "../linux/netns.ts";
import { DEFAULT_RUN_FOLDER, networksFolder, runFolder } from "../linux/run-folder.ts";
import { clusterTypes } from "../plugins/types.ts";
import { loadBuiltins } from "./builtins.ts";
import { serveNetworks } from "./networks/in-process.ts";

export const VARIABLES = `
Variables:
  NETCONFPATH      folder of network configurations (${DEFAULT_NETWORK_FOLDER})
  CNI_PATH         folders of other vendors' plugins, parted by colons
  CNI_IFNAME       name of the interface in the container (eth0)
  CNI_CONTAINERID  the container's ID (made from NETNS)
  CNI_ARGS         extra arguments, such as IP=10.1.0.5;K8S_POD_NAME=web
  CAP_ARGS         values of capabilities as JSON, such as {"mac":"02:00:00:00:00:05"}
  TENDRIL_RUN_DIR    folder of attachment records (${DEFAULT_RUN_FOLDER})
  TENDRIL_CACHE_DIR  folder of results, as libcni keeps them (${DEFAULT_CACHE_FOLDER})`;

/** The verbs as commands, but for `status`, which has more to say; see status.ts. */
export function networkCommands(): Command[] {
  return [
    attachmentCommand("add", "attach a network namespace to a network", add)
      .option("--explain", "show what would be done, and change nothing")
      .addHelpText("after", `${VARIABLES}\n\nExample:\n  tendril add mynet /run/netns/web`),
    attachmentCommand("check", "check that an attachment is as add left it", check).addHelpText(
      "after",
      `${VARIABLES}\n\nExample:\n  tendril check mynet /run/netns/web`,
    ),
    attachmentCommand("del", "detach a network namespace from a network", del)
      .option("--explain", "show what would be done, and change nothing")
      .addHelpText("after", `${VARIABLES}\n\nExample:\n  tendril del mynet /run/netns/web`),
    new Command("gc")
      .description("remove what attachments have left whose network namespace is gone")
      .argument("<network>", "name of the network")
      .option("--all", "take no attachment for alive")
      .addHelpText("after", `${VARIABLES}\n\nExample:\n  tendril gc mynet`)
      .action(gc),
  ];
}

type Verb = (network: Network, attachment: Attachment, options: { readonly explain?: boolean }) => Promise<void>;

function attachmentCommand(name: string, description: string, verb: Verb): Command {
  return new Command(name)
    .description(description)
    .argument("<network>", "name of the network")
    .argument("<netns>", "path of the network namespace")
    .action((network: string, netns: string, options: { explain?: boolean }) =>
      verb(findNetwork(network), attachmentOf(netns), options),
    );
}

async function add(
  network: Network,
  attachment: Attachment,
  { explain }: { readonly explain?: boolean },
): Promise<void> {
  if (explain) await explainAdd(network, attachment);
  else print(resultJson(addNetwork(network, attachment, await runtime()), network.cniVersion));
}

async function check(network: Network, attachment: Attachment): Promise<void> {
  checkNetwork(network, attachment, await runtime());
}

async function del(
  network: Network,
  attachment: Attachment,
  { explain }: { readonly explain?: boolean },
): Promise<void> {
  if (explain) await explainDel(network, attachment);
  else delNetwork(network, attachment, await runtime());
}

async function gc(name: string, { all }: { readonly all?: boolean }): Promise<void> {
  const network = findNetwork(name);
  gcNetwork(network, all ? [] : aliveAttachments(network), await runtime());
}

/** cnitool takes none for alive; here those are that have their network namespace. */
function aliveAttachments(network: Network): ValidAttachment[] {
  return listCached(cacheFolder(), network.name, warn).filter(({ netns }) => {
    const found = openNetnsIfExists(netns);
    if (found !== undefined) closeNetns(found);
    return found !== undefined;
  });
}

/** Throws why the plugins of a network could not serve ADD now. */
export async function networkStatus(name: string): Promise<void> {
  statusNetwork(findNetwork(name), await runtime());
}

/** What each plugin of the chain would do, told that those before it have done theirs. */
async function explainAdd(network: Network, attachment: Attachment): Promise<void> {
  const builtin = await loadBuiltins();
  walkChain(network, attachment, (plugin, request) => {
    const call = callOf("ADD", request, attachment);
    const foresight = builtin(plugin.type)?.foreseeAdd?.(call);
    console.log(`# ${plugin.type}`);
    if (foresight === undefined) {
      console.log("# another vendor's plugin: what it would do only it can tell");
      return call.config.prevResult ?? {};
    }
    for (const command of foresight.commands) console.log(command);
    return foresight.result;
  });
}

async function explainDel(network: Network, attachment: Attachment): Promise<void> {
  const builtin = await loadBuiltins();
  const result: Result | undefined = readCachedResult(cacheFolder(), network, attachment);
  for (const plugin of network.plugins.toReversed()) {
    console.log(`# ${plugin.type}`);
    const call = callOf("DEL", attachmentRequest(network, plugin, attachment, result), attachment);
    const commands = builtin(plugin.type)?.foreseeDel?.(call);
    for (const command of commands ?? ["# another vendor's plugin: what it would do only it can tell"]) {
      console.log(command);
    }
  }
}

function callOf(verb: "ADD" | "DEL", request: string, attachment: Attachment): Call {
  const env = { CNI_COMMAND: verb, ...attachmentVariables(attachment, pluginFolders()) };
  return readCall(verb, { env, stdin: () => request, stderr: warn });
}

function findNetwork(name: string): Network {
  return loadNetwork(process.env.NETCONFPATH || DEFAULT_NETWORK_FOLDER, name);
}

function attachmentOf(netns: string): Attachment {
  const path = netns.startsWith("/") ? netns : `${process.cwd()}/${netns}`;
  return {
    containerId: process.env.CNI_CONTAINERID || cnitoolContainerId(path),
    netns: path,
    ifname: process.env.CNI_IFNAME || "eth0",
    args: [...parseArgs(process.env.CNI_ARGS ?? "")],
    capabilityArgs: capabilityArgs(process.env.CAP_ARGS),
  };
}

function capabilityArgs(text: string | undefined): Record<string, unknown> {
  if (text === undefined || text === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw new ConfigError("CAP_ARGS", "must be a JSON object", { value: text, cause: error });
  }
  throw new ConfigError("CAP_ARGS", "must be a JSON object", { value: text });
}

async function runtime(): Promise<Runtime> {
  const builtin = await loadBuiltins();
  const agent = (type: string, env: Variables, stdin: string) => askAgent(runFolder(), type, env, stdin);
  return {
    run: withPodNetworks(pluginRunner({ builtin, agent, inherited: process.env }), builtin),
    path: pluginFolders(),
    cacheFolder: cacheFolder(),
    warn,
  };
}

/**
 * The same, but for the cluster's plugin where pods may have further networks: what the agent leaves of them to the
 * plugin's own process is done in this one.
 */
function withPodNetworks(usual: RunPlugin, builtin: (type: string) => Plugin | undefined): RunPlugin {
  const folder = runFolder();
  return (type, verb, env, stdin) => {
    const plugin = clusterTypes.includes(type) && exists(networksFolder(folder)) ? builtin(type) : undefined;
    if (plugin === undefined) return usual(type, verb, env, stdin);
    const variables = { ...process.env, ...env };
    const served = askAgent(folder, type, variables, stdin);
    const course =
      served === undefined
        ? serveNetworks({ runFolder: folder, plugin, builtin, name: type, env: variables, stdin })
        : { answer: served };
    if ("answer" in course) return { ...course.answer, exitCode: course.answer.status };
    return pluginRunner({ builtin: () => course.plugin, inherited: process.env })(type, verb, env, stdin);
  };
}

function cacheFolder(): string {
  return process.env.TENDRIL_CACHE_DIR || DEFAULT_CACHE_FOLDER;
}

function pluginFolders(): readonly string[] {
  return parsePath(process.env.CNI_PATH ?? "");
}

function print(value: unknown): void {
  console.log(JSON.stringify(value, undefined, 2));
}

function warn(sentence: string): void {
  console.error(sentence.trimEnd());
}
