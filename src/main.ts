/**
 * The one executable. By the name that it was started under it is a plugin; with CNI_COMMAND in its environment the
 * plugin that the configuration's `type` names; else a command for people.
 *
 * A plugin starts for every pod, so the way to its answer loads nothing that it does not need: no streams, no argument
 * parser, and it ends by _exit(2).
 */

import { builtin } from "./cli/builtins.ts";
import { dispatch } from "./cni/dispatch.ts";
import { errorMessage } from "./cni/errors.ts";
import { ConfigError } from "./core/errors.ts";
import type { Plugin } from "./core/plugin.ts";
import { exitNow } from "./linux/libc.ts";
import { readToEnd, writeAll } from "./linux/libc-file.ts";
import { pluginTypes } from "./plugins/types.ts";

const NAME = "tendril";

function main(): void {
  const name = process.argv0.slice(process.argv0.lastIndexOf("/") + 1);
  const plugin = builtin(name);
  if (plugin !== undefined) servePlugin(plugin, readStdin);
  else if (process.env.CNI_COMMAND && process.argv.length === 2) serveByType();
  else runCommand();
}

function servePlugin(plugin: Plugin, stdin: () => string): never {
  const status = dispatch({
    plugin,
    env: process.env,
    stdin,
    stdout: (text) => write(1, text),
    stderr: (text) => write(2, text),
    about: `CNI plugin ${plugin.type} of ${NAME}`,
  });
  exitNow(status);
}

/** Serves as the plugin that the configuration names; one that is none of ours is refused with the configuration. */
function serveByType(): never {
  const text = process.env.CNI_COMMAND === "VERSION" ? "" : readStdin();
  servePlugin(builtin(typeOf(text)) ?? unknownPlugin(typeOf(text)), () => text);
}

function typeOf(text: string): string {
  try {
    const config: unknown = JSON.parse(text);
    return typeof config === "object" && config !== null && "type" in config ? String(config.type) : "";
  } catch {
    // dispatch says what is wrong with it.
    return "";
  }
}

function unknownPlugin(type: string): Plugin {
  const refuse = (): never => {
    throw new ConfigError("type", `must be one of ${pluginTypes.join(", ")}`, { value: type });
  };
  return { type: NAME, add: refuse, check: refuse, del: refuse, gc: refuse, status: refuse };
}

function runCommand(): void {
  import("./cli/command.ts")
    .then(({ runCli }) => runCli(process.argv.slice(2)))
    .then(
      (status) => process.exit(status),
      (error: unknown) => {
        console.error(`${NAME}: ${errorMessage(error)}`);
        process.exit(1);
      },
    );
}

function readStdin(): string {
  return new TextDecoder().decode(readToEnd(0));
}

function write(fd: number, text: string): void {
  writeAll(fd, new TextEncoder().encode(text));
}

main();
