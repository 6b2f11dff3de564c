/** Control groups that container runtimes make below the machine's own, and of which they leave the parents. */

import { afterAll } from "bun:test";
import { existsSync, readdirSync, rmdirSync } from "node:fs";

const TOP = "/sys/fs/cgroup";

/**
 * A name for the parent of all control groups of one file's tests. It is removed after them, below each controller
 * (version 1) or at the top (version 2).
 */
export function testCgroup(): string {
  const name = `tendril-test-${process.pid}`;
  afterAll(() => {
    for (const path of [TOP, ...foldersIn(TOP)]) removeGroups(`${path}/${name}`);
  });
  return name;
}

function foldersIn(path: string): string[] {
  if (!existsSync(path)) return [];
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${path}/${name}`);
}

function removeGroups(path: string): void {
  if (!existsSync(path)) return;
  for (const child of foldersIn(path)) removeGroups(child);
  rmdirSync(path);
}
