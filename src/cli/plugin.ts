/** The executable as a plugin: one call from environment and standard input to the exit status. */

import { dispatch } from "../cni/dispatch.ts";
import { ConfigError } from "../core/errors.ts";
import { loadAhead } from "../core/late.ts";
import type { Plugin } from "../core/plugin.ts";
import { exitNow } from "../linux/libc.ts";
import { exists, writeText } from "../linux/libc-file.ts";
import { networksFolder, runFolder } from "../linux/run-folder.ts";
import { clusterTypes, EXECUTABLE, pluginTypes, typeAskedFor } from "../plugins/types.ts";
import { loadBuiltin, loadBuiltins } from "./builtins.ts";

/** What stood on standard input, or why it could not be read. */
export interface Input {
  readonly text: string;
  readonly failure?: unknown;
}

/** Serves one call as the plugin of a type, or without one as that which the configuration names, and ends the process. */
export async function servePlugin(type: string | undefined, input: Input): Promise<never> {
  const wanted = type ?? typeAskedFor(objectIn(input.text));
  const builtin = (await loadBuiltin(wanted)) ?? unknownPlugin(wanted);
  await loadAhead(input.text);
  const plugin = await withNetworks(builtin, type, input);
  const status = dispatch({
    plugin,
    env: process.env,
    stdin: () => {
      if (input.failure !== undefined) throw input.failure;
      return input.text;
    },
    stdout: (answer) => writeText(1, answer),
    stderr: (sentence) => writeText(2, sentence),
    about: aboutPlugin(plugin.type),
  });
  exitNow(status);
}

/**
 * The cluster's plugin on a node whose pods may have further networks: those that the agent has left to this process, and
 * those on record where there is no agent.
 */
async function withNetworks(plugin: Plugin, type: string | undefined, { text }: Input): Promise<Plugin> {
  const folder = runFolder();
  if (!clusterTypes.includes(plugin.type) || !exists(networksFolder(folder)) || objectIn(text) === undefined) {
    return plugin;
  }
  const { serveNetworks } = await import("./networks/in-process.ts");
  const builtin = await loadBuiltins();
  const course = serveNetworks({
    ...{ runFolder: folder, plugin, builtin, name: type ?? EXECUTABLE },
    ...{ env: process.env, stdin: text },
  });
  if ("plugin" in course) return course.plugin;
  const { status, stdout, stderr } = course.answer;
  writeText(1, stdout);
  if (stderr !== "") writeText(2, stderr);
  exitNow(status);
}

/** The line for a person who starts the executable by hand. */
export function aboutPlugin(type: string): string {
  return `CNI plugin ${type} of tendril`;
}

/** The object in JSON; undefined for what dispatch will say is wrong. */
export function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A plugin that is none of ours is refused with its configuration. */
function unknownPlugin(type: string): Plugin {
  const refuse = (): never => {
    throw new ConfigError("type", `must be one of ${pluginTypes.join(", ")}`, { value: type });
  };
  return { type: "tendril", add: refuse, check: refuse, del: refuse, gc: refuse, status: refuse };
}
