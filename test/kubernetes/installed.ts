/** Tendril on a test cluster as a user installs it: by the image on each node and by the manifest. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { finish, outputOf } from "../support/command.ts";
import type { Need } from "../support/needs.ts";
import { tendril } from "../support/programs.ts";
import type { Cluster } from "./cluster.ts";
import { ofFamilies, PODS } from "./fabric.ts";

const image = join(import.meta.dir, "../../dist/tendril-image.tar");

export const hasImage: Need = () =>
  existsSync(image) ? undefined : "dist/tendril-image.tar is not made (npm run image)";

/** Where all of it is. */
export const NAMESPACE = "tendril-system";

/** Imports the image, applies the manifest that is printed with these arguments, and waits until all nodes are Ready. */
export async function install(cluster: Cluster, ...args: readonly string[]): Promise<void> {
  await Promise.all(cluster.nodes().map(({ importImages }) => importImages(image)));
  await cluster.apply(await manifest(cluster, ...args));
  await cluster.kubectl("rollout", "status", "daemonset/tendril-agent", `--namespace=${NAMESPACE}`, "--timeout=120s");
  await cluster.ready();
}

/** The manifest with the cluster's networks of pods. */
export function manifest({ families }: Pick<Cluster, "families">, ...args: readonly string[]): Promise<string> {
  const command = [tendril, "install", "--print", "--subnet", ...ofFamilies(PODS, families), ...args];
  return outputOf("tendril", command, finish(command));
}
