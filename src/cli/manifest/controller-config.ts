/** The controller's configuration as an installation has it: what was chosen, and beside it all that could be. */

import { configField, storeOptionsOf } from "./agent-config.ts";
import type { InstallOptions } from "./options.ts";

/** The text of controller.yaml. */
export function controllerConfigText(options: InstallOptions): string {
  const { store, controllerMetricsPort, log } = options;
  const stored = storeOptionsOf(options);
  return [
    "# Changes are taken up by: kubectl rollout restart deployment tendril-controller\n",
    configField("store", store, "Where the cluster's documents are: the API server."),
    ...(stored === undefined ? [] : [configField("storeOptions", stored, "How it is reached.")]),
    configField(
      "patience",
      undefined,
      "Seconds without a sign of life after which a node is given up that does not say it itself.",
      "320",
    ),
    configField("nodeGrace", undefined, "Seconds after a node's deletion before all that is known of it goes.", "300"),
    configField("ownerGrace", undefined, "Seconds for which the owner of a sticky address may be away.", "600"),
    configField("agentGrace", undefined, "Seconds for which a node may be without an agent before it is told.", "300"),
    configField("nearlyExhausted", undefined, "Percent of a pool's addresses in use from which on it is told.", "90"),
    configField("lease", undefined, "Seconds after which a controller that is silent is followed by another.", "15"),
    configField("log", log, "debug, info, warn or error."),
    "# What follows goes with the Deployment.\n",
    `metrics: "127.0.0.1:${controllerMetricsPort}"\n`,
  ].join("");
}
