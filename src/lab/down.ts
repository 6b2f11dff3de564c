/**
 * Takes a lab down: by the names of its namespaces and by its folder, so it needs no memory of what was made, and works
 * on what a crash has left.
 *
 * Pods are not detached one by one: links, addresses, routes and nf_tables go with their namespace, leases and records
 * with the folder.
 */

import { readdirSync, statSync } from "node:fs";
import { UnknownContainerError } from "../core/errors.ts";
import { fileErrorCode } from "../linux/file.ts";
import { closeNetns, deleteNamedNetns, namedNetnsPath, openNetns } from "../linux/netns.ts";
import { lockLab, netnsNamesOf, removeLabFolder, traces } from "./record.ts";

/** How long processes in a lab's namespaces have to end by themselves, in milliseconds. */
const GRACE_MS = 500;

/** What was taken down. */
export interface Removal {
  readonly namespaces: number;
  readonly processes: number;
}

/** Takes a lab down once no other command works on it; undefined when there is nothing of it. */
export function takeDown(lab: string): Removal | undefined {
  if (!traces(lab)) return undefined;
  const unlock = lockLab(lab);
  try {
    return removeLab(lab);
  } finally {
    unlock();
  }
}

/** Removes all that bears a lab's name, for who holds its lock. */
export function removeLab(lab: string): Removal {
  const names = netnsNamesOf(lab);
  const processes = endProcesses(new Set(names.flatMap(netnsId)));
  for (const name of names) deleteNamedNetns(name);
  removeLabFolder(lab);
  return { namespaces: names.length, processes };
}

/** The identity of a namespace; nothing for the empty file that an interrupted `up` has left. */
function netnsId(name: string): string[] {
  try {
    const netns = openNetns(namedNetnsPath(name));
    closeNetns(netns);
    return [netns.id];
  } catch (error) {
    if (error instanceof UnknownContainerError) return [];
    throw error;
  }
}

/** Ends the processes that live in the namespaces, such as shells and plugins still running, and counts them. */
function endProcesses(namespaces: ReadonlySet<string>): number {
  let found = processesIn(namespaces);
  const count = found.length;
  for (const pid of found) signal(pid, "SIGHUP");
  for (const pid of found) signal(pid, "SIGTERM");
  const deadline = performance.now() + GRACE_MS;
  while (found.length > 0 && performance.now() < deadline) {
    Bun.sleepSync(5);
    found = processesIn(namespaces);
  }
  for (const pid of found) signal(pid, "SIGKILL");
  return count;
}

function processesIn(namespaces: ReadonlySet<string>): number[] {
  if (namespaces.size === 0) return [];
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && namespaces.has(netnsOfProcess(pid) ?? ""));
}

/** The network namespace of a process; undefined for one that is ending. */
function netnsOfProcess(pid: number): string | undefined {
  try {
    const { dev, ino } = statSync(`/proc/${pid}/ns/net`);
    return `${dev}:${ino}`;
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES"].includes(fileErrorCode(error) ?? "")) return undefined;
    throw error;
  }
}

function signal(pid: number, name: "SIGHUP" | "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (fileErrorCode(error) !== "ESRCH") throw error;
  }
}
