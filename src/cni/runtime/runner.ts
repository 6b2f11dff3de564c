/** How the runtime runs plugins: ours by the node's agent or in its own process, another vendor's as an executable. */

import type { Plugin } from "../../core/plugin.ts";
import type { ResidentAnswer } from "../../core/resident.ts";
import { dispatch } from "../dispatch.ts";
import { parsePath, type Variables } from "../environment.ts";
import { findExecutable, runExecutable } from "../executable.ts";
import type { RunPlugin } from "./operations.ts";

export interface RunnerOptions {
  /** The plugin of this process with a type; it comes before an executable of the same name. */
  readonly builtin: (type: string) => Plugin | undefined;
  /** Has a call of such a plugin served by the node's agent; undefined where there is none, or it leaves the call to us. */
  readonly agent?: (type: string, env: Variables, stdin: string) => ResidentAnswer | undefined;
  /** What executables inherit beside the variables of the protocol, such as PATH. */
  readonly inherited: Variables;
}

/** Throws FileError when a plugin is neither built in nor found in CNI_PATH. */
export function pluginRunner({ builtin, agent, inherited }: RunnerOptions): RunPlugin {
  return (type, _verb, env, stdin) => {
    const variables = { ...inherited, ...env };
    const plugin = builtin(type);
    if (plugin !== undefined) {
      const served = agent?.(type, variables, stdin);
      return served === undefined ? runBuiltin(plugin, variables, stdin) : { ...served, exitCode: served.status };
    }
    const path = findExecutable(type, parsePath(env.CNI_PATH ?? ""));
    return runExecutable(path, variables, stdin);
  };
}

function runBuiltin(plugin: Plugin, env: Variables, stdin: string): ReturnType<RunPlugin> {
  const output = { stdout: "", stderr: "" };
  const exitCode = dispatch({
    plugin,
    env,
    stdin: () => stdin,
    stdout: (text) => {
      output.stdout += text;
    },
    stderr: (text) => {
      output.stderr += text;
    },
    about: `CNI plugin ${plugin.type}`,
  });
  return { exitCode, ...output };
}
