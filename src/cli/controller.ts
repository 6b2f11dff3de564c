/** `tendril controller`: the cluster's daemon, of which several may run and one does the work. */

import { Command } from "commander";
import { VERSION } from "../agent/version.ts";
import { logTo } from "../cluster/log.ts";
import { parseControllerConfig } from "../controller/config.ts";
import { runController } from "../controller/controller.ts";
import { FileError } from "../core/errors.ts";
import { readTextIfExists } from "../linux/file.ts";
import { kubernetesAccess } from "../store/open.ts";

const DEFAULT_CONFIG = "/etc/tendril/controller.yaml";

const NOTES = `
Several may run: one of them does the work, and another follows when that one is silent. It sees to what no node can see
to alone: nodes that are gone, reservations whose owners are, what is told of pools.

Example:
  tendril controller --config /etc/tendril/controller.yaml`;

export function controllerCommand(): Command {
  return new Command("controller")
    .description("see to what no node of a Kubernetes cluster can see to alone")
    .option("--config <file>", `the configuration in YAML or JSON (${DEFAULT_CONFIG} where that is there)`)
    .addHelpText("after", NOTES)
    .action(async ({ config: path }: { readonly config?: string }) => {
      const config = parseControllerConfig(configText(path));
      const source = kubernetesAccess(config.store, config.storeOptions, "store");
      const ending = new AbortController();
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => ending.abort());
      const log = logTo((line) => process.stderr.write(line), config.log);
      await runController({ config, source, log, version: VERSION, signal: ending.signal });
    });
}

/** The file that is named has to be there; the usual one need not. */
function configText(path: string | undefined): string {
  const text = readTextIfExists(path ?? DEFAULT_CONFIG);
  if (text !== undefined || path === undefined) return text ?? "";
  throw new FileError(`Cannot read the controller's configuration "${path}": it is not there`);
}
