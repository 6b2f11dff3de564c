/**
 * What a test cluster's things are called, and where its state lies. All begins with `tendril-k8s.<cluster>`, and a
 * cluster's own name has no hyphen, so what belongs to one is found by name alone, also after a crash.
 */

import { tmpdir } from "node:os";
import { join } from "node:path";
import { namePrefix } from "../../src/lab/names.ts";
import { listNamedNetns } from "../../src/linux/netns.ts";

/** The machine of the control plane. */
export const CONTROL = "control";

const NAME = /^[a-z][a-z0-9]{0,19}$/;

/** The fabric of a cluster is that of a lab. No lab's own name has a dot, so `tendril lab` does not take it for one. */
export function fabricName(cluster: string): string {
  if (!NAME.test(cluster)) throw new TypeError(`"${cluster}" cannot name a cluster: letters and digits, at most 20`);
  return `k8s.${cluster}`;
}

/** The folder of all clusters' state. */
export const CLUSTERS_FOLDER = join(tmpdir(), "tendril-k8s");

export function clusterFolder(cluster: string): string {
  return join(CLUSTERS_FOLDER, cluster);
}

/** What a machine has on its disk. */
export function diskFolder(cluster: string, machine: string): string {
  return join(clusterFolder(cluster), "machines", machine);
}

/** The control group, below each controller, of a cluster's pods. */
export function cgroupName(cluster: string): string {
  return `tendril-${fabricName(cluster)}`;
}

/** The network namespaces of a cluster that there are. */
export function netnsNamesOf(cluster: string): string[] {
  return listNamedNetns().filter((name) => name.startsWith(namePrefix(fabricName(cluster))));
}
