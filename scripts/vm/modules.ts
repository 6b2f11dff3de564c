/** A kernel's modules. */

import { copyFileSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** For each module by its name the path of its file and those of the modules that it needs. @see modules.dep(5) */
export type Dependencies = ReadonlyMap<string, { readonly path: string; readonly needs: readonly string[] }>;

export function parseDependencies(text: string): Dependencies {
  const lines = text.split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const [path = "", needs = ""] = line.split(":");
      return [nameOf(path), { path, needs: needs.split(" ").filter((one) => one !== "") }];
    }),
  );
}

/** The files of the modules and of all that they need, each after what it needs; what has no file is in the kernel. */
export function inOrder(dependencies: Dependencies, names: readonly string[]): string[] {
  const order = new Set<string>();
  const add = (name: string) => {
    const found = dependencies.get(name);
    if (found === undefined) return;
    for (const needed of found.needs) add(nameOf(needed));
    order.add(found.path);
  };
  names.forEach(add);
  return [...order];
}

/** Copies the files into a folder, under names that sort in the order in which they are to be loaded. */
export function copyEarlyModules(modules: string, names: readonly string[], folder: string): void {
  const paths = inOrder(parseDependencies(readFileSync(join(modules, "modules.dep"), "utf8")), names);
  for (const [i, path] of paths.entries()) {
    copyFileSync(join(modules, path), join(folder, `${String(i).padStart(2, "0")}-${basename(path)}`));
  }
}

function nameOf(path: string): string {
  return basename(path).replace(/\.ko$/, "").replaceAll("-", "_");
}
