/**
 * A pod's further networks beside the call that attaches it to the cluster's: attached after it in their order, taken off
 * before it in reverse, checked and collected with it. Each is a list of plugins as a runtime has them, run as such.
 */

import { errorCode } from "../../cni/errors.ts";
import { readCachedResult } from "../../cni/runtime/cache.ts";
import { addNetwork, checkNetwork, delNetwork, type RunPlugin, type Runtime } from "../../cni/runtime/operations.ts";
import { DelegateError, errorMessage, TendrilError } from "../../core/errors.ts";
import type { AttachmentKey } from "../../core/names.ts";
import type { Call, NetworkCall, Plugin } from "../../core/plugin.ts";
import { networksFolder } from "../../linux/run-folder.ts";
import { attachmentOf, networkOf, type PodNetwork } from "./pod-network.ts";
import { listNetworks, type NetworksRecord, readNetworks, removeNetworks, writeNetworks } from "./record.ts";
import { type NetworkStatus, networkStatus } from "./status.ts";

export interface SeveralOptions {
  readonly runFolder: string;
  readonly run: RunPlugin;
  /** What the pod of an ADD is to be attached to beside the call's own network. */
  readonly networks: readonly PodNetwork[];
  /** Told what a pod's networks have come to be, the call's own first. */
  readonly attached: (status: readonly NetworkStatus[]) => void;
}

/** The plugin of the cluster's network, which sees to a pod's further networks, too. */
export function withNetworks(plugin: Plugin, options: SeveralOptions): Plugin {
  const { runFolder, networks, attached } = options;
  const recordOf = (call: Call) => readNetworks(runFolder, keyOf(call), call.warn);
  return {
    ...plugin,
    add(call) {
      const result = plugin.add(call);
      if (networks.length === 0) return result;
      try {
        const others = attachAll(call, options);
        attached([networkStatus(call.config.name, call.ifname, result, true), ...others]);
        return result;
      } catch (error) {
        attempt(() => plugin.del(call), call);
        throw error;
      }
    },
    check(call) {
      plugin.check(call);
      const record = recordOf(call);
      for (const network of record?.networks ?? []) {
        tellingNetwork(network, () =>
          checkNetwork(networkOf(network), attachmentOf(network, call), runtimeOf(options, call)),
        );
      }
    },
    del(call) {
      const record = recordOf(call);
      const errors = record === undefined ? [] : detachAll(record, call, options);
      plugin.del(call);
      throwFirst(errors);
    },
    gc(call) {
      const errors = staleRecords(runFolder, call).flatMap((record) => detachAll(record, call, options));
      plugin.gc(call);
      throwFirst(errors);
    },
  };
}

/** The records of pods that a GC does not name; a missing list releases nothing. Throws FileError. */
export function staleRecords(runFolder: string, { config, warn }: NetworkCall): NetworksRecord[] {
  const { validAttachments, name } = config;
  if (validAttachments === undefined) return [];
  const valid = new Set(validAttachments.map(({ containerId, ifname }) => `${containerId}@${ifname}`));
  return listNetworks(runFolder, name, warn).filter(({ key }) => !valid.has(`${key.containerId}@${key.ifname}`));
}

/** Recorded before the first is attached. */
function attachAll(call: Call, options: SeveralOptions): NetworkStatus[] {
  const { runFolder, networks } = options;
  const record = { key: keyOf(call), netns: call.netns ?? "", args: [...call.args], networks };
  writeNetworks(runFolder, record);
  const done: NetworkStatus[] = [];
  try {
    for (const network of networks) {
      const result = tellingNetwork(network, () =>
        addNetwork(networkOf(network), attachmentOf(network, call), runtimeOf(options, call)),
      );
      done.push(networkStatus(network.name, network.ifname, result, false));
    }
    return done;
  } catch (error) {
    // The one that failed, too: what its first plugins have made is its runtime's to take off.
    const begun = networks.slice(0, done.length + 1);
    for (const failure of detachAll({ version: 1, ...record, networks: begun }, call, options)) {
      call.warn(`Taking back a failed ADD failed too: ${errorMessage(failure)}`);
    }
    throw error;
  }
}

/** What fails is tried again by the next DEL, for the record stays. Returns the errors. */
export function detachAll(
  record: NetworksRecord,
  call: Pick<Call, "path" | "warn"> & Partial<Pick<Call, "netns">>,
  options: Pick<SeveralOptions, "runFolder" | "run">,
): unknown[] {
  const { key, netns, args, networks } = record;
  const about = { containerId: key.containerId, netns: call.netns ?? netns, args: new Map(args) };
  const errors: unknown[] = [];
  for (const network of networks.toReversed()) {
    try {
      tellingNetwork(network, () =>
        delNetwork(networkOf(network), attachmentOf(network, about), runtimeOf(options, call)),
      );
    } catch (error) {
      // A plugin that refuses its configuration has made nothing by it, and would refuse it for ever.
      const isRefused = error instanceof DelegateError && REFUSALS.includes(error.code);
      if (isRefused && !wasAttached(options.runFolder, network, key.containerId)) call.warn(error.message);
      else errors.push(error);
    }
  }
  if (errors.length === 0) removeNetworks(options.runFolder, key);
  return errors;
}

/** The codes of a configuration that cannot be used: incompatible, with an unknown field, wrong, or no JSON. */
const REFUSALS: readonly number[] = [1, 2, 6, 7];

/** Whether an ADD to a network has come to its end. */
function wasAttached(runFolder: string, network: PodNetwork, containerId: string): boolean {
  const key = { containerId, ifname: network.ifname };
  return readCachedResult(networksFolder(runFolder), networkOf(network), key) !== undefined;
}

function runtimeOf(
  { runFolder, run }: Pick<SeveralOptions, "runFolder" | "run">,
  { path, warn }: Pick<Call, "path" | "warn">,
): Runtime {
  return { run, path, cacheFolder: networksFolder(runFolder), warn };
}

function keyOf({ config, containerId, ifname }: Call): AttachmentKey {
  return { network: config.name, containerId, ifname };
}

/** An error says of which network it is; its code stays. */
function tellingNetwork<T>({ name, ifname }: PodNetwork, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TendrilError)) throw error;
    const details = error.details === undefined ? {} : { details: error.details };
    throw new DelegateError(`Network "${name}" (${ifname}): ${error.message}`, errorCode(error), {
      ...details,
      cause: error,
    });
  }
}

function attempt(work: () => void, { warn }: Call): void {
  try {
    work();
  } catch (error) {
    warn(`Taking back a failed ADD failed too: ${errorMessage(error)}`);
  }
}

function throwFirst(errors: readonly unknown[]): void {
  if (errors.length === 0) return;
  if (errors.length === 1) throw errors[0];
  throw new TendrilError(errors.map(errorMessage).join("; "), { cause: new AggregateError(errors) });
}
