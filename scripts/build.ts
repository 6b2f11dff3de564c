/** Builds `dist/tendril`, the one executable, and `dist/cni/<plugin>`, a link to it for each plugin. */

import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { pluginTypes } from "../src/plugins/types.ts";

const root = join(import.meta.dir, "..");

/**
 * Options that make the start short: bytecode, so that nothing is parsed, and no look for configuration files of the
 * runtime in the folder that the program happens to be started in.
 */
export const COMPILE = [
  "build",
  "--compile",
  "--minify",
  "--bytecode",
  "--format=cjs",
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
];

/** Compiles one program. A program that is running under the old name goes on with the old file. */
export function compile(source: string, outfile: string): void {
  const temporary = `${outfile}.new`;
  // The compiler leaves temporary files in its working folder when it is interrupted.
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, ...COMPILE, source, "--outfile", temporary], {
    cwd: join(root, "dist"),
    stdout: "ignore",
    stderr: "pipe",
  });
  if (exitCode !== 0) throw new Error(`Cannot compile ${source}: ${stderr.toString()}`);
  renameSync(temporary, outfile);
}

function linkPlugins(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
  for (const type of pluginTypes) symlinkSync("../tendril", join(folder, type));
}

if (import.meta.main) {
  mkdirSync(join(root, "dist"), { recursive: true });
  compile(join(root, "src/main.ts"), join(root, "dist/tendril"));
  linkPlugins(join(root, "dist/cni"));
  console.log(`dist/tendril, and dist/cni/ with ${pluginTypes.join(", ")}`);
}
