/** Checks that imports go down only; see docs/architecture.md. Prints each import that does not, and fails. */

import { dirname, join, relative } from "node:path";
import { Glob } from "bun";

const root = join(import.meta.dir, "..");

/** For each layer the ones that it may import, besides itself. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  linux: ["core"],
  resources: ["core", "linux"],
  plan: ["core", "linux", "resources"],
  cni: ["core", "linux", "plan"],
  plugins: ["core"],
  ipam: ["core", "linux"],
  store: ["core", "linux"],
  cluster: ["core", "store"],
  modes: ["core"],
  agent: ["core", "linux", "resources", "plan", "ipam", "store", "cluster", "modes"],
  controller: ["core", "linux", "ipam", "store", "cluster"],
  lab: ["core", "linux", "resources", "plan", "cni"],
  doctor: ["core", "linux", "resources", "plan"],
  trace: ["core", "linux", "resources", "plan"],
  cli: [
    ...["core", "linux", "resources", "plan", "cni", "plugins", "ipam", "store", "cluster", "modes"],
    ...["agent", "controller", "lab", "doctor", "trace"],
  ],
  entry: ["core", "linux"],
  "main.ts": ["core", "linux", "cni", "plugins", "cli"],
};

/** The one file that may import a module. */
const ONLY: Readonly<Record<string, string>> = { "bun:ffi": "src/linux/libc.ts" };

/** On the way to a plugin's answer no module of the runtime is loaded: the first one costs a millisecond. */
const LIGHT_LAYERS = ["core", "linux", "resources", "plan", "cni", "plugins", "ipam", "main.ts"];
/** What lies in such a layer but is loaded for commands alone. */
const COMMANDS_ONLY = ["src/cni/runtime/", "src/linux/executable-pages.ts", "src/linux/netlink/subscription.ts"];

export interface LayerProblem {
  readonly file: string;
  readonly problem: string;
}

/** What is wrong with the imports of one source file, given by its path from the project's folder. */
export function checkImports(file: string, source: string): LayerProblem[] {
  const layer = layerOf(file);
  const allowed = ALLOWED[layer];
  if (allowed === undefined) return [{ file, problem: `is in "${layer}", which is no layer` }];
  const isTest = /\.test\.ts$/.test(file) || /\/(testing|test-support)\//.test(file);
  return importsOf(source).flatMap((name): LayerProblem[] => {
    if (ONLY[name] !== undefined && ONLY[name] !== file) {
      return [{ file, problem: `imports ${name}, which only ${ONLY[name]} may` }];
    }
    if (!name.startsWith(".")) {
      const isLight = LIGHT_LAYERS.includes(layer) && !COMMANDS_ONLY.some((path) => file.startsWith(path));
      return name.startsWith("node:") && isLight && !isTest
        ? [{ file, problem: `imports ${name}, which makes every call of a plugin slower` }]
        : [];
    }
    const target = relative("src", join(dirname(file), name));
    if (target.startsWith("..")) return isTest ? [] : [{ file, problem: `imports ${name}, which is not in src` }];
    const other = layerOf(`src/${target}`);
    return other === layer || allowed.includes(other) || isTest
      ? []
      : [{ file, problem: `imports ${name}: "${layer}" may not import "${other}"` }];
  });
}

function layerOf(file: string): string {
  return file.split("/")[1] ?? "";
}

function importsOf(source: string): string[] {
  const found = source.matchAll(
    /^(?:import|export)\s[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\b(?:import|require)\("([^"]+)"\)/gm,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

if (import.meta.main) {
  const problems: LayerProblem[] = [];
  let files = 0;
  for (const path of [...new Glob("src/**/*.ts").scanSync(root)].sort()) {
    files++;
    problems.push(...checkImports(path, await Bun.file(join(root, path)).text()));
  }
  for (const { file, problem } of problems) console.error(`${file}: ${problem}`);
  console.log(`${files} files, ${problems.length} imports that do not go down`);
  process.exit(problems.length === 0 ? 0 : 1);
}
