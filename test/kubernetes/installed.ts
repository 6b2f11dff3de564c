/** Tendril on a test cluster as a user installs it: by the image on each node and by the manifest. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { finish, outputOf } from "../support/command.ts";
import type { Need } from "../support/needs.ts";
import { tendril } from "../support/programs.ts";
import type { Cluster } from "./cluster.ts";
import { ofFamilies, PODS } from "./fabric.ts";
import { expectSound } from "./node-state.ts";
import { until } from "./until.ts";
import type { Worker } from "./worker.ts";
import { webServers } from "./workloads.ts";

const image = join(import.meta.dir, "../../dist/tendril-image.tar");

export const hasImage: Need = () =>
  existsSync(image) ? undefined : "dist/tendril-image.tar is not made (npm run image)";

/** Where an agent says on its node whether it is ready. */
const READY = "http://127.0.0.1:9095/readyz";

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

/** Installs it, and waits until the cluster is sound with a web server on each node, beside a workload of the tests' own. */
export async function installSound(cluster: Cluster, workload: object): Promise<void> {
  await install(cluster);
  await cluster.apply([...webServers(), workload]);
  await cluster.kubectl("rollout", "status", "daemonset/web", "--timeout=120s");
  await expectSound(cluster);
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
  return printed("--subnet", ...ofFamilies(PODS, families), ...args);
}

/** The manifest that is printed with these arguments alone. */
export function printed(...args: readonly string[]): Promise<string> {
  const command = [tendril, "install", "--print", ...args];
  return outputOf("tendril", command, finish(command));
}

/** Kills a node's agent, once there is one. The kubelet starts it again. */
export async function killAgent({ name, run }: Worker): Promise<void> {
  const kill = ["pkill", "--signal", "KILL", "--full", "^/usr/bin/tendril agent"];
  await until(`the agent of ${name} is killed`, async () => (await run(kill)).exitCode === 0);
}

/** Kills the controllers, wherever they are, once there is one. The kubelets start them again. */
export async function killControllers({ nodes }: Cluster): Promise<void> {
  const kill = ["pkill", "--signal", "KILL", "--full", "^/usr/bin/tendril controller"];
  await until("a controller is killed", async () => {
    const killed = await Promise.all(nodes().map(({ run }) => run(kill)));
    return killed.some(({ exitCode }) => exitCode === 0);
  });
}

/** Waits until all agents say that they are ready. */
export async function agentsReady({ nodes }: Cluster): Promise<void> {
  for (const { name, run } of nodes()) {
    const isReady = async () => (await run(["curl", "--silent", "--fail", READY])).exitCode === 0;
    await until(`the agent of ${name} is ready`, isReady, { within: 120_000 });
  }
}

/** A kubelet that starts again at once what has ended again and again. */
export const RESTARTING_AT_ONCE = {
  featureGates: { KubeletInUserNamespace: true, KubeletCrashLoopBackOffMax: true },
  crashLoopBackOff: { maxContainerRestartPeriod: "1s" },
};
