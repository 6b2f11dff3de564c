/**
 * The runtime's side of the protocol: each verb for a whole network, as the reference library (libcni) does it.
 * @see https://www.cni.dev/docs/spec/#section-3-execution-of-network-configurations
 */

import { DelegateError, errorMessage, TendrilError, UnknownContainerError } from "../../core/errors.ts";
import type { ValidAttachment } from "../../core/plugin.ts";
import type { Result } from "../../core/result.ts";
import type { Variables, Verb } from "../environment.ts";
import { type Outcome, readAnswer, readResult } from "../executable.ts";
import { checkVerb, compareVersions, versionHasVerb } from "../versions.ts";
import { type Attachment, attachmentVariables, checkNames } from "./attachment.ts";
import { listCached, readCachedResult, removeCache, writeCache } from "./cache.ts";
import type { ChainedPlugin, Network } from "./network.ts";
import { attachmentRequest, gcRequest, statusRequest } from "./request.ts";

/** Runs the plugin of a type to its end. `env` has the variables of the protocol alone. */
export type RunPlugin = (type: string, verb: Verb, env: Variables, stdin: string) => Outcome;

export interface Runtime {
  readonly run: RunPlugin;
  /** The folders of plugins, which are handed on as CNI_PATH. */
  readonly path: readonly string[];
  readonly cacheFolder: string;
  /** A sentence for the operator. */
  readonly warn: (sentence: string) => void;
}

/**
 * Adds an attachment and returns the last plugin's result. When a plugin fails, what those before it have made stays
 * until the caller runs {@link delNetwork}, as the specification asks of every runtime. Throws a TendrilError.
 */
export function addNetwork(network: Network, attachment: Attachment, runtime: Runtime): Result {
  checkNames(network.name, attachment);
  const result = walkChain(network, attachment, (plugin, request) => {
    const outcome = call(runtime, plugin, "ADD", request, attachment);
    return readResult(plugin.type, outcome, network.cniVersion);
  });
  writeCache(runtime.cacheFolder, network, attachment, result);
  return result;
}

/** Takes the plugins of a network in the order of ADD, each with its request, in which is the result of the one before. */
export function walkChain(
  network: Network,
  attachment: Attachment,
  step: (plugin: ChainedPlugin, request: string) => Result,
): Result {
  let result: Result | undefined;
  for (const plugin of network.plugins) {
    result = step(plugin, attachmentRequest(network, plugin, attachment, result));
  }
  return result ?? {};
}

/**
 * Removes an attachment, by the plugins in reverse order. Succeeds when there is nothing to remove. Throws the first
 * error of a plugin, after which the attachment is still in the cache.
 */
export function delNetwork(network: Network, attachment: Attachment, runtime: Runtime): void {
  checkNames(network.name, attachment);
  const prevResult = resultForDel(network, attachment, runtime);
  for (const plugin of network.plugins.toReversed()) {
    const request = attachmentRequest(network, plugin, attachment, prevResult);
    call(runtime, plugin, "DEL", request, attachment);
  }
  removeCache(runtime.cacheFolder, network.name, attachment);
}

/** DEL is given the result since 0.4.0, and has to succeed without one that cannot be read. */
function resultForDel(network: Network, attachment: Attachment, { cacheFolder, warn }: Runtime): Result | undefined {
  if (compareVersions(network.cniVersion, "0.4.0") < 0) return undefined;
  try {
    return readCachedResult(cacheFolder, network, attachment);
  } catch (error) {
    if (!(error instanceof TendrilError)) throw error;
    warn(`${error.message}; DEL goes on without the cached result`);
    return undefined;
  }
}

/**
 * Checks an attachment by each plugin, unless the network disables it. Throws the first error of a plugin,
 * IncompatibleVersionError before version 0.4.0, and UnknownContainerError without a cached result.
 */
export function checkNetwork(network: Network, attachment: Attachment, runtime: Runtime): void {
  checkVerb(network.cniVersion, "CHECK");
  if (network.disableCheck) return;
  checkNames(network.name, attachment);
  const { containerId, ifname } = attachment;
  const prevResult = readCachedResult(runtime.cacheFolder, network, attachment);
  if (prevResult === undefined) {
    throw new UnknownContainerError(
      `Cannot check container "${containerId}": no ADD to network "${network.name}" as "${ifname}" is in the cache`,
    );
  }
  for (const plugin of network.plugins) {
    call(runtime, plugin, "CHECK", attachmentRequest(network, plugin, attachment, prevResult), attachment);
  }
}

/**
 * Removes what is stale, unless the network disables it: DEL for each attachment in the cache that is not among the
 * valid ones, then GC by each plugin from version 1.1.0 on. Without a list none is valid in the cache, while plugins
 * are not told of any list; that is what cnitool does. Goes on after errors and throws them all at the end.
 */
export function gcNetwork(network: Network, valid: readonly ValidAttachment[] | undefined, runtime: Runtime): void {
  if (network.disableGC) return;
  const errors: unknown[] = [];
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      errors.push(error);
    }
  };
  for (const attachment of listCached(runtime.cacheFolder, network.name, runtime.warn)) {
    const { containerId, ifname } = attachment;
    const isValid = valid?.some((each) => each.containerId === containerId && each.ifname === ifname) ?? false;
    if (!isValid) attempt(() => delNetwork(network, attachment, runtime));
  }
  if (versionHasVerb(network.cniVersion, "GC")) {
    for (const plugin of network.plugins) {
      attempt(() => call(runtime, plugin, "GC", gcRequest(network, plugin, valid)));
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) {
    throw new TendrilError(errors.map(errorMessage).join("; "), { cause: new AggregateError(errors) });
  }
}

/** Asks each plugin whether ADD could succeed now; before version 1.1.0 nobody can be asked. Throws the first error. */
export function statusNetwork(network: Network, runtime: Runtime): void {
  if (!versionHasVerb(network.cniVersion, "STATUS")) return;
  for (const plugin of network.plugins) call(runtime, plugin, "STATUS", statusRequest(network, plugin));
}

/** Runs one plugin of a network; its own error is told with its type and the verb. */
function call(runtime: Runtime, plugin: ChainedPlugin, verb: Verb, request: string, attachment?: Attachment): Outcome {
  const env = { CNI_COMMAND: verb, ...attachmentVariables(attachment, runtime.path) };
  const outcome = runtime.run(plugin.type, verb, env, request);
  if (outcome.stderr.trim() !== "") runtime.warn(outcome.stderr.trimEnd());
  try {
    readAnswer(plugin.type, verb, outcome);
  } catch (error) {
    if (!(error instanceof DelegateError)) throw error;
    const details = error.details === undefined ? {} : { details: error.details };
    throw new DelegateError(`CNI plugin "${plugin.type}" failed at ${verb}: ${error.message}`, error.code, {
      ...details,
      cause: error,
    });
  }
  return outcome;
}
