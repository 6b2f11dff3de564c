/**
 * The network configuration by which a container runtime finds the cluster's plugin. It is written last, once the node
 * can serve: to a runtime a node without one is not ready.
 */

import { readTextIfExists, removeFileIfExists, writeFileAtomic } from "../linux/file.ts";
import type { ClusterConfig } from "./config.ts";

/**
 * The plugins' protocol in its newest version has verbs that the one before lacks. A runtime that knows it takes it from
 * the list; to an older one, such as containerd 1, it would be an error.
 * @see https://github.com/containernetworking/cni/blob/main/SPEC.md#configuration-format
 */
const CNI_VERSIONS = ["1.0.0", "1.1.0"];

export function networkConfigText({ network, mode, bridge }: ClusterConfig): string {
  const plugin = {
    type: "tendril",
    mode,
    ...(bridge === undefined ? {} : { bridge }),
    capabilities: { portMappings: true, bandwidth: true, ips: true, mac: true },
  };
  return `${JSON.stringify({ cniVersion: CNI_VERSIONS[0], cniVersions: CNI_VERSIONS, name: network, plugins: [plugin] }, undefined, 2)}\n`;
}

/** Writes it whole, unless it stands there. Throws FileError. */
export function writeNetworkConfig(path: string, text: string): void {
  if (readTextIfExists(path) !== text) writeFileAtomic(path, text);
}

/** Removes what the agent has written; a file that somebody has changed since stays. Throws FileError. */
export function removeNetworkConfig(path: string, text: string): boolean {
  return readTextIfExists(path) === text && removeFileIfExists(path);
}
