/** Control groups of a machine's own, in either version. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const TOP = "/sys/fs/cgroup";

/** Makes a group of this path in each hierarchy, its parents included. Returns where the hierarchies are. */
export function makeCgroups(path: string): string[] {
  const found = hierarchies();
  for (const hierarchy of found) {
    const parents = path.split("/").map((_, i, words) => words.slice(0, i + 1).join("/"));
    for (const parent of parents) make(join(hierarchy, parent));
  }
  return found;
}

/** The groups of this path that there are. */
export function cgroupsNamed(path: string): string[] {
  return hierarchies()
    .map((hierarchy) => join(hierarchy, path))
    .filter((folder) => existsSync(folder));
}

/** Removes the groups of this path and all below them. Throws while a process is in one. */
export function removeCgroups(path: string): void {
  for (const folder of cgroupsNamed(path)) remove(folder);
}

/** One for each controller (version 1), or one for all (version 2). */
function hierarchies(): string[] {
  return [TOP, ...foldersIn(TOP)].filter((path, i, all) => isGroup(path) && !(i > 0 && isGroup(all[0] ?? "")));
}

function isGroup(path: string): boolean {
  return existsSync(join(path, "cgroup.procs"));
}

/** A new group has what its parent has, which is not so by itself. */
function make(folder: string): void {
  if (existsSync(folder)) return;
  mkdirSync(folder);
  const parent = dirname(folder);
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if (parent.startsWith(join(TOP, "cpuset"))) writeFileSync(join(folder, file), readFileSync(join(parent, file)));
  }
  const controllers = join(folder, "cgroup.controllers");
  if (parent !== TOP || !existsSync(controllers)) return;
  const names = readFileSync(controllers, "utf8").trim().split(" ");
  writeFileSync(join(folder, "cgroup.subtree_control"), names.map((name) => `+${name}`).join(" "));
}

function foldersIn(path: string): string[] {
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(path, name));
}

function remove(folder: string): void {
  for (const child of foldersIn(folder)) remove(child);
  rmdirSync(folder);
}
