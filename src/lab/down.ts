/**
 * Takes a lab down: by the names of its namespaces and by its folder, so it needs no memory of what was made, and works
 * on what a crash has left.
 *
 * Pods are not detached one by one: links, addresses, routes and nf_tables go with their namespace, leases and records
 * with the folder.
 */

import { deleteNamedNetns } from "../linux/netns.ts";
import { endProcesses } from "./processes.ts";
import { lockLab, netnsNamesOf, removeLabFolder, traces } from "./record.ts";

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
  const processes = endProcesses(names);
  for (const name of names) deleteNamedNetns(name);
  removeLabFolder(lab);
  return { namespaces: names.length, processes };
}
