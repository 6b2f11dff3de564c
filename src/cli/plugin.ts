/** The executable as a plugin: one call from environment and standard input to the exit status. */

import { dispatch } from "../cni/dispatch.ts";
import { ConfigError } from "../core/errors.ts";
import type { Plugin } from "../core/plugin.ts";
import { exitNow } from "../linux/libc.ts";
import { readToEnd, writeAll } from "../linux/libc-file.ts";
import { pluginTypes } from "../plugins/types.ts";
import { builtin } from "./builtins.ts";

/** Serves one call as the plugin of a type, or without one as that which the configuration names, and ends the process. */
export function servePlugin(type: string | undefined): never {
  const text = type === undefined ? readStdin() : undefined;
  const wanted = type ?? typeOf(text ?? "");
  const plugin = builtin(wanted) ?? unknownPlugin(wanted);
  const status = dispatch({
    plugin,
    env: process.env,
    stdin: () => text ?? readStdin(),
    stdout: (answer) => write(1, answer),
    stderr: (sentence) => write(2, sentence),
    about: `CNI plugin ${plugin.type} of tendril`,
  });
  exitNow(status);
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

/** A plugin that is none of ours is refused with its configuration. */
function unknownPlugin(type: string): Plugin {
  const refuse = (): never => {
    throw new ConfigError("type", `must be one of ${pluginTypes.join(", ")}`, { value: type });
  };
  return { type: "tendril", add: refuse, check: refuse, del: refuse, gc: refuse, status: refuse };
}

function readStdin(): string {
  return new TextDecoder().decode(readToEnd(0));
}

function write(fd: number, text: string): void {
  writeAll(fd, new TextEncoder().encode(text));
}
