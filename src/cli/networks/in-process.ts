/**
 * A pod's networks in a plugin's process: for those that the agent has left to it, and for all of them where there is no
 * agent. What the agent can serve of it, it is asked for plugin by plugin.
 */

import type { Variables } from "../../cni/environment.ts";
import { readAnswer, readResult } from "../../cni/executable.ts";
import { askAgent } from "../../cni/resident.ts";
import { pluginRunner } from "../../cni/runtime/runner.ts";
import type { CniVersion } from "../../cni/versions.ts";
import type { Call, NetworkCall, Plugin } from "../../core/plugin.ts";
import type { ResidentAnswer } from "../../core/resident.ts";
import { askingFor, type NetworksAnswer, type Part } from "./parts.ts";
import { withNetworks } from "./several.ts";
import type { NetworkStatus } from "./status.ts";

/** How the process goes on: with a plugin, or with an answer that it has already. */
export type Course = { readonly plugin: Plugin } | { readonly answer: ResidentAnswer };

export interface InProcessOptions {
  readonly runFolder: string;
  /** The cluster's plugin as it is without an agent, and the name that it is called by. */
  readonly plugin: Plugin;
  readonly name: string;
  /** The plugins of this process. */
  readonly builtin: (type: string) => Plugin | undefined;
  readonly env: Variables;
  readonly stdin: string;
}

/** How a call of the cluster's plugin is served here, that the agent has left to this process. */
export function serveNetworks(options: InProcessOptions): Course {
  const { runFolder, plugin, builtin, name, env, stdin } = options;
  const ask = (part: Part, verb: string, status?: readonly NetworkStatus[]) =>
    askAgent(runFolder, name, { ...env, CNI_COMMAND: verb }, askingFor(stdin, part, status));
  let networks: NetworksAnswer["networks"] = [];
  if (env.CNI_COMMAND === "ADD") {
    const answer = ask("networks", "ADD");
    // Nobody knows of any, and nobody gives addresses either.
    if (answer === undefined) return { plugin };
    if (answer.status !== 0) return { answer };
    ({ networks } = JSON.parse(answer.stdout) as NetworksAnswer);
  }
  const run = pluginRunner({
    builtin,
    agent: (type, variables, input) => askAgent(runFolder, type, variables, input),
    inherited: env,
  });
  const byAgentIfAny = byAgent(plugin, (verb) => ask("own", verb));
  const attached = (status: readonly NetworkStatus[]) => void ask("tell", "ADD", status);
  return { plugin: withNetworks(byAgentIfAny, { runFolder, run, networks, attached }) };
}

type Asked = "ADD" | "CHECK" | "DEL" | "GC";

/** The plugin, whose verbs the agent serves where there is one. */
function byAgent(plugin: Plugin, ask: (verb: Asked) => ResidentAnswer | undefined): Plugin {
  const asked = (verb: Asked, { warn }: NetworkCall) => {
    const answer = ask(verb);
    if (answer === undefined) return undefined;
    if (answer.stderr.trim() !== "") warn(answer.stderr.trimEnd());
    const outcome = { ...answer, exitCode: answer.status };
    readAnswer(plugin.type, verb, outcome);
    return outcome;
  };
  return {
    ...plugin,
    add(call: Call) {
      const outcome = asked("ADD", call);
      if (outcome === undefined) return plugin.add(call);
      return readResult(plugin.type, outcome, call.config.cniVersion as CniVersion);
    },
    check(call) {
      if (asked("CHECK", call) === undefined) plugin.check(call);
    },
    del(call) {
      if (asked("DEL", call) === undefined) plugin.del(call);
    },
    gc(call) {
      if (asked("GC", call) === undefined) plugin.gc(call);
    },
  };
}
