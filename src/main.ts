/**
 * The one executable. By the name that it was started under it is a plugin; with CNI_COMMAND in its environment the
 * plugin that the configuration's `type` names; else a command for people.
 *
 * A plugin starts for every pod, and loading code costs more than running it. So each way is a chunk of its own, loaded
 * when it is taken; only the answer to VERSION, which needs next to nothing, is given here.
 */

import { formatVersions } from "./cni/versions.ts";
import { exitNow } from "./linux/libc.ts";
import { readTextToEnd, writeText } from "./linux/libc-file.ts";
import { pluginTypes } from "./plugins/types.ts";

const name = process.argv0.slice(process.argv0.lastIndexOf("/") + 1);
const isPlugin = (pluginTypes as readonly string[]).includes(name);

if (!isPlugin && (!process.env.CNI_COMMAND || process.argv.length > 2)) {
  // Commands run long enough for compilation to pay; the build tells the compiler to wait for the plugins' sake.
  Bun.unsafe.setJITPolicy(1);
  import("./cli/command.ts").then(({ runCli }) => runCli(process.argv.slice(2)).then((status) => process.exit(status)));
} else if (process.env.CNI_COMMAND === "VERSION") {
  writeText(1, formatVersions(readInput()));
  exitNow(0);
} else {
  import("./cli/plugin.ts").then(({ servePlugin }) => servePlugin(isPlugin ? name : undefined));
}

/** Without input, which the specification asks for, there is an answer too. */
function readInput(): string {
  try {
    return readTextToEnd(0);
  } catch {
    return "";
  }
}
