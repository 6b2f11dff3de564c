/**
 * The one executable. By the name that it was started under it is a plugin; with CNI_COMMAND in its environment the
 * plugin that the configuration's `type` names; else a command for people, which as a plugin of kubectl has its name.
 *
 * A plugin asks the node's agent first, which need not start and has all its code at hand. Where the executable's entry
 * has seen to that (`src/entry/`), this is what runs without an agent.
 *
 * A plugin starts for every pod, and loading code costs more than running it. So each way is a chunk of its own, loaded
 * when it is taken; only the answer to VERSION, which needs next to nothing, is given here.
 */

import { askAgent } from "./cni/resident.ts";
import { formatVersions } from "./cni/versions.ts";
import { exitNow } from "./linux/libc.ts";
import { readTextToEnd, writeText } from "./linux/libc-file.ts";
import { runFolder } from "./linux/run-folder.ts";
import { EXECUTABLE, KUBECTL_PLUGIN, typeNamed } from "./plugins/types.ts";

/** Set by the build when the executable's entry asks the agent before any of this runs. */
declare const ENTRY_ASKS_AGENT: boolean | undefined;

const name = process.argv0.slice(process.argv0.lastIndexOf("/") + 1);
const type = typeNamed(name);

if (type === undefined && (!process.env.CNI_COMMAND || process.argv.length > 2)) {
  // Commands run long enough for compilation to pay; the build tells the compiler to wait for the plugins' sake.
  Bun.unsafe.setJITPolicy(1);
  import("./cli/command.ts").then(({ runCli }) =>
    runCli(process.argv.slice(2), name === KUBECTL_PLUGIN).then((status) => process.exit(status)),
  );
} else if (process.env.CNI_COMMAND === "VERSION") {
  // Without input, which the specification asks for, there is an answer too.
  writeText(1, formatVersions(readInput().text));
  exitNow(0);
} else {
  // A person who starts the executable by hand gives neither.
  const input = process.env.CNI_COMMAND ? readInput() : { text: "" };
  const isAsked = typeof ENTRY_ASKS_AGENT !== "undefined" || input.failure !== undefined;
  const answer = isAsked ? undefined : askAgent(runFolder(), type ?? EXECUTABLE, process.env, input.text);
  if (answer === undefined) {
    import("./cli/plugin.ts").then(({ servePlugin }) => servePlugin(type, input));
  } else {
    if (answer.stdout !== "") writeText(1, answer.stdout);
    if (answer.stderr !== "") writeText(2, answer.stderr);
    exitNow(answer.status);
  }
}

/** Standard input, or why it cannot be read. */
function readInput(): { readonly text: string; readonly failure?: unknown } {
  try {
    return { text: readTextToEnd(0) };
  } catch (failure) {
    return { text: "", failure };
  }
}
