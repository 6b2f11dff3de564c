/** STATUS: whether an ADD could succeed now. @see https://www.cni.dev/docs/spec/#status-check-plugin-status */

import { FileError, NotAvailableError } from "../../core/errors.ts";
import { parseIp } from "../../core/ip.ts";
import type { NetworkCall } from "../../core/plugin.ts";
import { folderOf } from "../../linux/file.ts";
import { isAccessible, W_OK, X_OK } from "../../linux/libc-file.ts";
import type { Machine } from "./boot.ts";
import { type HostLocalConfiguration, parseConfiguration } from "./configuration.ts";
import { leaseNames } from "./lease-files.ts";
import { countLeasable, formatRangeSet, isLeasable } from "./range.ts";
import { readResolvConf } from "./resolv-conf.ts";
import { emptyLeases, hasStore, type Store, withStore } from "./store.ts";

/**
 * Throws NotAvailableError when every address of a range set is leased, or when a file that ADD needs cannot be read
 * or written; ConfigError when the configuration is wrong.
 */
export function checkAvailable(call: NetworkCall, machine: Machine): void {
  const configuration = parseConfiguration(call.config, new Map());
  const { directory, resolvConf } = configuration;
  try {
    if (resolvConf !== undefined) readResolvConf(resolvConf);
    checkWritable(directory);
    // The folder is not made for a question: without one nothing is leased.
    if (hasStore(directory)) withStore(directory, machine, call.warn, (store) => checkSpace(store, configuration));
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw new NotAvailableError(`host-local cannot lease addresses: ${error.message}`, {
      cause: error,
      details: error.details ?? `Make "${directory}" a folder that this program may write to.`,
    });
  }
}

/** Throws FileError unless the folder, or the nearest one above it that exists, can be written. */
function checkWritable(directory: string): void {
  let folder = directory;
  while (!hasStore(folder) && folderOf(folder) !== folder) folder = folderOf(folder);
  // The dot makes it fail for what is no folder.
  if (!isAccessible(`${folder}/.`, W_OK | X_OK)) throw new FileError(`Cannot write to "${folder}"`);
}

function checkSpace(store: Store, { network, sets }: HostLocalConfiguration): void {
  const names = leaseNames(store.directory);
  const tight = sets.filter((set) => countLeasable(set) <= BigInt(names.length));
  if (tight.length === 0) return;
  const leased = names.flatMap((name) => parseIp(name) ?? []);
  for (const set of tight) {
    const count = leased.filter((ip) => isLeasable(set, ip)).length;
    if (BigInt(count) < countLeasable(set)) continue;
    const empty = [...emptyLeases(store)].flatMap((name) => parseIp(name) ?? []);
    if (empty.some((ip) => isLeasable(set, ip))) continue;
    throw new NotAvailableError(
      `Network "${network}" has no free address: all ${count} of "${set.field}" (${formatRangeSet(set)}) are leased`,
      {
        details:
          `The leases are the files in "${store.directory}". ` +
          "Remove containers, call GC to release what dead ones hold, or configure a larger range.",
      },
    );
  }
}
