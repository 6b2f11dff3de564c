/**
 * Builds `dist/tendril`, the one executable, `dist/cni/<plugin>`, a link to it for each plugin, and `dist/kubectl-tendril`, by
 * which kubectl has it as a command.
 */

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { BunPlugin } from "bun";
import { askAgentCode } from "../src/entry/ask-agent.ts";
import { EXECUTABLE, KUBECTL_PLUGIN, pluginTypes } from "../src/plugins/types.ts";
import { oneBaseChunk } from "./chunks.ts";
import { withEntryCode } from "./entry-point.ts";
import { alignCode } from "./huge-pages.ts";

const root = join(import.meta.dir, "..");

export interface CompileOptions {
  readonly plugins?: readonly BunPlugin[];
  /** Its entry asks the node's agent before the runtime starts. For x86-64 only. */
  readonly asksAgent?: boolean;
}

/** Compiles the product from the source of its `main.ts`. */
export async function compileTendril(main: string, outfile: string, plugins: readonly BunPlugin[] = []): Promise<void> {
  const base = oneBaseChunk(join(dirname(main), "cli/plugin.ts"));
  // Elsewhere `main.ts` asks the agent itself.
  await compile(main, outfile, { plugins: [...plugins, base], asksAgent: process.arch === "x64" });
}

/**
 * Compiles one program. What makes its start short: bytecode, so that nothing is parsed; chunks, so that nothing is loaded
 * that is not needed; a compiler that waits, for a plugin ends before compiled code has paid; and no look for
 * configuration files of the runtime in the folder that the program happens to be started in.
 *
 * A program that is running under the old name goes on with the old file.
 */
export async function compile(source: string, outfile: string, options: CompileOptions = {}): Promise<void> {
  const { plugins = [], asksAgent = false } = options;
  const temporary = `${outfile}.${process.pid}`;
  await Bun.build({
    entrypoints: [source],
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    splitting: true,
    plugins: [...plugins],
    define: asksAgent ? { ENTRY_ASKS_AGENT: "true" } : {},
    compile: { outfile: temporary, jitPolicy: 1000, autoloadDotenv: false, autoloadBunfig: false },
  });
  const aligned = alignCode(readFileSync(temporary));
  const program = asksAgent ? withEntryCode(aligned, askAgentCode) : aligned;
  const finished = `${temporary}.finished`;
  // In one write: the page cache then has it in large pieces.
  writeFileSync(finished, program, { mode: 0o755 });
  rmSync(temporary);
  renameSync(finished, outfile);
}

function linkPlugins(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const type of pluginTypes) link(`../${EXECUTABLE}`, folder, type);
  const known = pluginTypes as readonly string[];
  for (const name of readdirSync(folder))
    if (!name.startsWith(".") && !known.includes(name)) rmSync(join(folder, name));
}

/** The link is replaced by renaming, so at no time is it missing. */
function link(target: string, folder: string, name: string): void {
  const temporary = join(folder, `.${name}.${process.pid}`);
  rmSync(temporary, { force: true });
  symlinkSync(target, temporary);
  renameSync(temporary, join(folder, name));
}

if (import.meta.main) {
  mkdirSync(join(root, "dist"), { recursive: true });
  await compileTendril(join(root, "src/main.ts"), join(root, "dist/tendril"));
  linkPlugins(join(root, "dist/cni"));
  link(EXECUTABLE, join(root, "dist"), KUBECTL_PLUGIN);
  console.log(`dist/tendril, dist/${KUBECTL_PLUGIN}, and dist/cni/ with ${pluginTypes.join(", ")}`);
}
