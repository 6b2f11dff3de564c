/** `tendril install --print`: the manifest that gives a Kubernetes cluster its network. */

import { Command } from "commander";
import { type AgentConfig, parseAgentConfig } from "../agent/config.ts";
import { parseControllerConfig } from "../controller/config.ts";
import { ConfigError } from "../core/errors.ts";
import { agentConfigText } from "./manifest/agent-config.ts";
import { controllerConfigText } from "./manifest/controller-config.ts";
import { manifestObjects, manifestText } from "./manifest/manifest.ts";
import { DEFAULTS, hasController, type InstallOptions } from "./manifest/options.ts";

interface Flags {
  readonly print?: boolean;
  readonly namespace: string;
  readonly image: string;
  readonly imagePullPolicy: string;
  readonly store: string;
  readonly server?: string;
  readonly mode: string;
  readonly ipam: string;
  readonly subnet?: readonly string[];
  readonly crossSubnetOnly?: boolean;
  readonly blockSizeIpv4?: string;
  readonly blockSizeIpv6?: string;
  readonly mtu?: string;
  readonly bridge?: string;
  readonly masquerade: boolean;
  readonly metricsPort: string;
  readonly controllerMetricsPort: string;
  readonly controllerReplicas: string;
  readonly log: string;
  readonly networkAttachments?: boolean;
}

const NOTES = `
Examples:
  tendril install --print | kubectl apply -f -
  tendril install --print --mode vxlan --subnet 10.244.0.0/16 fd00:10:244::/56 > tendril.yaml`;

export function installCommand(): Command {
  const usual = DEFAULTS;
  return new Command("install")
    .description("print the manifest that gives a Kubernetes cluster its network")
    .option("--print", "print it; nothing else is done with it here")
    .option("--namespace <name>", "namespace of all that is installed", usual.namespace)
    .option("--image <image>", "the image, as the nodes' container runtime knows it", usual.image)
    .option("--image-pull-policy <policy>", "IfNotPresent, Always or Never", usual.imagePullPolicy)
    .option("--store <url>", "where the cluster's documents are: kubernetes: or etcd://HOST:PORT", usual.store)
    .option("--server <urls>", "API servers that agents ask, by their URLs, instead of by the Service")
    .option("--mode <mode>", "how packets get to other nodes: auto, host-gw, vxlan, ipip or bgp", usual.mode)
    .option("--subnet <cidr...>", "the networks of all pods, one of each family; what the cluster says unless given")
    .option("--ipam <kind>", "addresses out of blocks that nodes claim, or out of their node-cidr", usual.ipam)
    .option("--cross-subnet-only", "of vxlan and ipip: nodes on the same link are reached directly")
    .option("--block-size-ipv4 <bits>", "prefix length of nodes' blocks")
    .option("--block-size-ipv6 <bits>", "prefix length of nodes' blocks")
    .option("--mtu <bytes>", "of pods; found out unless given")
    .option("--bridge <name>", "pods are ports of this bridge instead of routed pairs")
    .option("--no-masquerade", "pods leave the cluster under their own addresses")
    .option("--metrics-port <port>", "port on nodes' loopback of metrics and probes", String(usual.metricsPort))
    .option("--controller-metrics-port <port>", "the same for the controller", String(usual.controllerMetricsPort))
    .option(
      "--controller-replicas <number>",
      "how many controllers run, each on another node",
      String(usual.controllerReplicas),
    )
    .option("--log <level>", "debug, info, warn or error", usual.log)
    .option(
      "--network-attachments",
      "with the definition of NetworkAttachmentDefinitions, where no other vendor brings it",
    )
    .addHelpText("after", NOTES)
    .action((flags: Flags) => {
      if (!flags.print) {
        throw new ConfigError("--print", "is missing: the manifest is printed, and applied by kubectl", {
          details: "tendril install --print | kubectl apply -f -",
        });
      }
      process.stdout.write(installManifest(optionsOf(flags)));
    });
}

/** The manifest's text. Throws ConfigError for what an agent would not take. */
export function installManifest(options: InstallOptions): string {
  checked(options);
  const about =
    "Tendril: pods' network. Printed by: tendril install --print; docs/kubernetes.md says how to install it.";
  return manifestText(manifestObjects(options), about);
}

/** The configuration as an agent will read it. */
function checked(options: InstallOptions): AgentConfig {
  const { namespace, image, imagePullPolicy, store, controllerMetricsPort } = options;
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace)) {
    throw new ConfigError("--namespace", "must be lower-case letters, digits and hyphens", { value: namespace });
  }
  if (!/^[\w.:/@-]+$/.test(image)) throw new ConfigError("--image", "must be an image's name", { value: image });
  if (!["IfNotPresent", "Always", "Never"].includes(imagePullPolicy)) {
    throw new ConfigError("--image-pull-policy", "must be IfNotPresent, Always or Never", { value: imagePullPolicy });
  }
  if (!/^(kubernetes:$|etcds?:\/\/)/.test(store)) {
    throw new ConfigError("--store", "must be kubernetes: or etcd://HOST:PORT, which pods can reach", { value: store });
  }
  if (controllerMetricsPort === options.metricsPort || controllerMetricsPort > 65_535) {
    throw new ConfigError("--controller-metrics-port", "must be another port than that of the agents", {
      value: controllerMetricsPort,
    });
  }
  if (hasController(options)) parseControllerConfig(controllerConfigText(options));
  return parseAgentConfig(agentConfigText(options), { node: "node" });
}

function optionsOf(flags: Flags): InstallOptions {
  const { blockSizeIpv4, blockSizeIpv6, mtu, metricsPort, imagePullPolicy, crossSubnetOnly = false } = flags;
  return {
    namespace: flags.namespace,
    image: flags.image,
    imagePullPolicy: imagePullPolicy as InstallOptions["imagePullPolicy"],
    store: flags.store,
    server: flags.server,
    mode: flags.mode,
    ipam: flags.ipam,
    subnet: flags.subnet ?? [],
    crossSubnetOnly,
    blockSize: {
      ...(blockSizeIpv4 === undefined ? {} : { ipv4: wholeNumber(blockSizeIpv4, "--block-size-ipv4") }),
      ...(blockSizeIpv6 === undefined ? {} : { ipv6: wholeNumber(blockSizeIpv6, "--block-size-ipv6") }),
    },
    mtu: mtu === undefined ? undefined : wholeNumber(mtu, "--mtu"),
    bridge: flags.bridge,
    masquerade: flags.masquerade,
    metricsPort: wholeNumber(metricsPort, "--metrics-port"),
    controllerMetricsPort: wholeNumber(flags.controllerMetricsPort, "--controller-metrics-port"),
    controllerReplicas: wholeNumber(flags.controllerReplicas, "--controller-replicas"),
    log: flags.log,
    networkAttachments: flags.networkAttachments ?? false,
  };
}

function wholeNumber(given: string, option: string): number {
  if (/^\d{1,9}$/.test(given)) return Number(given);
  throw new ConfigError(option, "must be a whole number", { value: given });
}
