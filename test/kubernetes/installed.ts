/** Tendril on a test cluster as a user installs it: by the image on each node and by the manifest. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { finish, outputOf } from "../support/command.ts";
import type { Need } from "../support/needs.ts";
import { tendril } from "../support/programs.ts";
import type { Cluster } from "./cluster.ts";
import { ofFamilies, PODS } from "./fabric.ts";
import type { Worker } from "./worker.ts";

const image = join(import.meta.dir, "../../dist/tendril-image.tar");

export const hasImage: Need = () =>
  existsSync(image) ? undefined : "dist/tendril-image.tar is not made (npm run image)";

/** Where all of it is. */
export const NAMESPACE = "tendril-system";

/** Imports the image, applies the manifest that is printed with these arguments, and waits until all nodes are Ready. */
export async function install(cluster: Cluster, ...args: readonly string[]): Promise<void> {
  await installText(cluster, await manifest(cluster, ...args));
}

/** The same with a manifest that has been printed already. */
export async function installText(cluster: Cluster, text: string): Promise<void> {
  await Promise.all(cluster.nodes().map(importImage));
  await cluster.apply(text);
  await cluster.kubectl("rollout", "status", "daemonset/tendril-agent", `--namespace=${NAMESPACE}`, "--timeout=120s");
  await cluster.ready();
}

/** What a node needs before its agent can come up. */
export function importImage({ importImages }: Worker): Promise<void> {
  return importImages(image);
}

/** Fields of the agents' and the controller's configuration in a manifest, which are only shown there until they are set. */
export function withSettings(text: string, settings: Readonly<Record<string, number>>): string {
  return Object.entries(settings).reduce((changed, [name, value]) => {
    const shown = new RegExp(`^( *)# ${name}: .*$`, "m");
    if (!shown.test(changed)) throw new TypeError(`The manifest shows no field "${name}"`);
    return changed.replace(shown, `$1${name}: ${value}`);
  }, text);
}

/** The manifest with the cluster's networks of pods. */
export function manifest({ families }: Pick<Cluster, "families">, ...args: readonly string[]): Promise<string> {
  const command = [tendril, "install", "--print", "--subnet", ...ofFamilies(PODS, families), ...args];
  return outputOf("tendril", command, finish(command));
}
