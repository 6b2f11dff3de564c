/** The executable as a plugin: one call from environment and standard input to the exit status. */

import { dispatch } from "../cni/dispatch.ts";
import { ConfigError } from "../core/errors.ts";
import { loadAhead } from "../core/late.ts";
import type { Plugin } from "../core/plugin.ts";
import { exitNow } from "../linux/libc.ts";
import { readTextToEnd, writeText } from "../linux/libc-file.ts";
import { pluginTypes } from "../plugins/types.ts";
import { loadBuiltin } from "./builtins.ts";

/** Serves one call as the plugin of a type, or without one as that which the configuration names, and ends the process. */
export async function servePlugin(type: string | undefined): Promise<never> {
  const input = readInput();
  const wanted = type ?? typeOf(input.text);
  const plugin = (await loadBuiltin(wanted)) ?? unknownPlugin(wanted);
  await loadAhead(input.text);
  const status = dispatch({
    plugin,
    env: process.env,
    stdin: () => {
      if (input.failure !== undefined) throw input.failure;
      return input.text;
    },
    stdout: (answer) => writeText(1, answer),
    stderr: (sentence) => writeText(2, sentence),
    about: `CNI plugin ${plugin.type} of tendril`,
  });
  exitNow(status);
}

/** Standard input, or why it cannot be read. A person who starts the executable by hand gives none. */
function readInput(): { readonly text: string; readonly failure?: unknown } {
  if (!process.env.CNI_COMMAND) return { text: "" };
  try {
    return { text: readTextToEnd(0) };
  } catch (failure) {
    return { text: "", failure };
  }
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
