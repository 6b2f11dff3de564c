/**
 * Takes a lab down: by the names of its namespaces and by its folder, so it needs no memory of what was made, and works
 * on what a crash has left.
 *
 * Pods are not detached one by one: links, addresses, routes and nf_tables go with their namespace, leases and records
 * with the folder.
 */

import { readdirSync } from "node:fs";
import { fileErrorCode } from "../linux/file.ts";
import { closeNetns, deleteNamedNetns, namedNetnsPath, openNetnsIfExists } from "../linux/netns.ts";
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
  const processes = endProcesses(new Set(names.flatMap((name) => netnsId(namedNetnsPath(name)) ?? [])));
  for (const name of names) deleteNamedNetns(name);
  removeLabFolder(lab);
  return { namespaces: names.length, processes };
}

/** The identity of the namespace at a path; undefined for the empty file that an interrupted `up` has left. */
function netnsId(path: string): string | undefined {
  const netns = openNetnsIfExists(path);
  if (netns === undefined) return undefined;
  closeNetns(netns);
  return netns.id;
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
  return (
    readdirSync("/proc")
      .filter((name) => /^[0-9]+$/.test(name))
      .map(Number)
      // A process that is ending is in none any more.
      .filter((pid) => pid !== process.pid && namespaces.has(netnsId(`/proc/${pid}/ns/net`) ?? ""))
  );
}

function signal(pid: number, name: "SIGHUP" | "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (fileErrorCode(error) !== "ESRCH") throw error;
  }
}
