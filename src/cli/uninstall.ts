/** `tendril uninstall --print`: Jobs that leave the nodes of a Kubernetes cluster as they were before the installation. */

import { Command } from "commander";
import { ConfigError } from "../core/errors.ts";
import { cleanupObjects } from "./manifest/cleanup.ts";
import { manifestText } from "./manifest/manifest.ts";
import { DEFAULTS, type InstallOptions } from "./manifest/options.ts";

interface Flags extends Pick<InstallOptions, "namespace" | "image"> {
  readonly print?: boolean;
}

const NOTES = `
It is done in this order:
  kubectl --namespace ${DEFAULTS.namespace} delete daemonset tendril-agent
  tendril uninstall --print $(kubectl get nodes --output name) | kubectl apply -f -
  kubectl --namespace ${DEFAULTS.namespace} wait --for condition=complete job --selector app.kubernetes.io/component=cleanup
  tendril install --print | kubectl delete -f -`;

export function uninstallCommand(): Command {
  return new Command("uninstall")
    .description("print the Jobs that take Tendril off the nodes of a Kubernetes cluster")
    .argument("<node...>", "names of nodes, also as node/NAME")
    .option("--print", "print them; nothing else is done with them here")
    .option("--namespace <name>", "namespace of the installation", DEFAULTS.namespace)
    .option("--image <image>", "the image, as the nodes' container runtime knows it", DEFAULTS.image)
    .addHelpText("after", NOTES)
    .action((nodes: string[], { print, namespace, image }: Flags) => {
      if (!print) {
        throw new ConfigError("--print", "is missing: the Jobs are printed, and applied by kubectl");
      }
      const names = nodes.map((node) => node.replace(/^node\//, ""));
      const objects = cleanupObjects(names, { ...DEFAULTS, namespace, image });
      process.stdout.write(manifestText(objects, "Takes Tendril off the nodes, whose agents have to be gone."));
    });
}
