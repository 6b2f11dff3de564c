/**
 * Leases end with the boot, for the containers that held them do; the reference plugin keeps them for ever.
 *
 * The file `boot_id` beside the leases says in which boot they were last looked through.
 */

import { parseIp } from "../../core/ip.ts";
import { bootId } from "../../linux/boot.ts";
import { fileError, readTextIfExists } from "../../linux/file.ts";
import { readText } from "../../linux/libc-file.ts";
import { leaseNames, removeLease, statLease, writeWhole } from "./lease-files.ts";

/** What the machine says of its boot and of the time; other than the real one only in tests. */
export interface Machine {
  /** See {@link bootId}. */
  bootId(): string;
  /** Seconds since the boot began, suspension included: CLOCK_BOOTTIME. @see proc_uptime(5) */
  uptime(): number;
  /** Milliseconds of the epoch. */
  now(): number;
}

export const thisMachine: Machine = {
  bootId,
  uptime: readUptime,
  now: () => Date.now(),
};

function readUptime(): number {
  try {
    return Number.parseFloat(readText("/proc/uptime"));
  } catch (error) {
    throw fileError("read", "/proc/uptime", error);
  }
}

const NAME = "boot_id";

/** A file of this very moment may seem to be younger than the clock, which is read in whole milliseconds. */
const FUTURE_MS = 2000;

/**
 * Releases the leases of former boots at the first use in a boot, under the lock, and returns this boot's ID.
 *
 * The reference plugin may have served ADDs in this boot before we are first used, so a lease stays when it was
 * written since the boot began. A lease from the future was written before the clock was set back, which in practice
 * is before a reboot of a machine with a wrong clock. Without `boot_id` we have never been here: a host that changes
 * over while its containers run, so nothing is released. `boot_id` is written last: killed before, all is done again.
 * Throws FileError.
 */
export function releaseFormerBoot(directory: string, machine: Machine, warn: (sentence: string) => void): string {
  const current = machine.bootId();
  const recorded = readTextIfExists(`${directory}/${NAME}`)?.trim();
  if (recorded === current) return current;
  if (recorded !== undefined) {
    const released = releaseStale(directory, machine);
    if (released > 0) warn(`Released ${released} lease${released === 1 ? "" : "s"} of a former boot in "${directory}"`);
  }
  writeWhole(directory, NAME, `${current}\n`);
  return current;
}

function releaseStale(directory: string, machine: Machine): number {
  const now = machine.now();
  const bootBegan = now - machine.uptime() * 1000;
  let released = 0;
  for (const address of leaseNames(directory)) {
    const stats = statLease(directory, address);
    if (stats === undefined || stats.kind === "folder") continue;
    if (stats.modifiedMs >= bootBegan && stats.modifiedMs <= now + FUTURE_MS) continue;
    if (parseIp(address) !== undefined && removeLease(directory, address)) released++;
  }
  return released;
}
