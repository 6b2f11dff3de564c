/** Taking away all that an agent has made of a node's network: what `tendril agent cleanup` does once the agent is gone. */

import { rmSync } from "node:fs";
import { clusterStore } from "../cluster/cluster-store.ts";
import { giveUpNode } from "../cluster/reclaim.ts";
import { errorMessage, TryAgainError } from "../core/errors.ts";
import { AGENT_SOCKET } from "../core/resident.ts";
import { releaseFolder } from "../ipam/cluster/offline.ts";
import { removeFileIfExists } from "../linux/file.ts";
import { closeSocket } from "../linux/libc.ts";
import { connectUnix } from "../linux/unix-socket.ts";
import { planNodeBase } from "../modes/node.ts";
import { remove } from "../plan/engine.ts";
import { ownedInKernel } from "../plan/owned.ts";
import { kindsWithoutLeases } from "../plan/service.ts";
import { sweepShared } from "../plan/shared.ts";
import { Kernel } from "../resources/kernel.ts";
import { kernelKinds } from "../resources/kinds.ts";
import { openStore } from "../store/open.ts";
import { Bird } from "./bird.ts";
import { removeBirdRoutes } from "./bird-routes.ts";
import type { ClusterConfig } from "./config.ts";
import { OWNED } from "./network.ts";
import { networkConfigText, removeNetworkConfig } from "./network-config.ts";

export interface CleanupOptions {
  readonly config: ClusterConfig;
  readonly runFolder: string;
  readonly stateFolder: string;
  /** Takes the node's pods off the network. Returns what went wrong. */
  readonly detachAll: () => unknown[];
  readonly say: (line: string) => void;
}

/** In milliseconds: an agent that is there takes a connection at once. */
const TIMEOUT = 1000;

/**
 * Takes the node's pods off the network, removes its ways to other nodes and all else that the agent has made, and gives
 * up its place in the cluster. Returns what went wrong; the rest is done all the same. Throws TryAgainError while the
 * agent runs.
 */
export async function cleanUp({ config, runFolder, stateFolder, detachAll, say }: CleanupOptions): Promise<unknown[]> {
  refuseWhileRunning(runFolder);
  const { networkConfig } = config;
  // First of all no new pod is to come.
  if (networkConfig !== undefined && removeNetworkConfig(networkConfig, networkConfigText(config))) {
    say(`removed ${networkConfig}`);
  }
  const errors = detachAll();
  const bird = new Bird({ folder: `${runFolder}/bird`, program: config.bgp.bird });
  await bird.stop();
  errors.push(...removeResources(config, runFolder, say));
  try {
    if (await giveUpPlace(config)) say(`node "${config.node}" gave up its place in the cluster`);
  } catch (error) {
    errors.push(new TryAgainError(`The node keeps its place in the cluster: ${errorMessage(error)}`, { cause: error }));
  }
  for (const end of ["", "-wal", "-shm"]) removeFileIfExists(`${stateFolder}/addresses.sqlite${end}`);
  // What no agent is left to carry out.
  rmSync(releaseFolder(runFolder), { recursive: true, force: true });
  removeFileIfExists(`${runFolder}/${AGENT_SOCKET}`);
  return errors;
}

function refuseWhileRunning(runFolder: string): void {
  const socket = connectUnix(`${runFolder}/${AGENT_SOCKET}`, TIMEOUT);
  if (socket === undefined) return;
  closeSocket(socket);
  throw new TryAgainError("The agent is running, and would make again what is removed", {
    details: "Stop it first.",
  });
}

function removeResources({ node, network }: ClusterConfig, runFolder: string, say: (line: string) => void): unknown[] {
  const kernel = new Kernel(undefined, runFolder);
  try {
    const base = planNodeBase(
      { families: [4, 6], pools: [{ cidrs: [], masquerade: true }] },
      { name: node, addresses: [], uplinks: [] },
    );
    // That a host forwards may be others' wish, too.
    const resources = [...base.filter(({ kind }) => kind !== "sysctl"), ...ownedInKernel(kernel, OWNED)];
    removeBirdRoutes(kernel.route("host"));
    const machine = { kinds: kindsWithoutLeases(kernelKinds), kernel };
    // First what the pods had in common, such as their bridge.
    const errors = [...sweepShared(runFolder, network, machine, say), ...remove(resources, machine)];
    say(`removed the ways to other nodes and the cluster's rules`);
    return errors;
  } finally {
    kernel.close();
  }
}

/** Other nodes free what it held. False where it had none. */
async function giveUpPlace({ node, store: url, storeOptions }: ClusterConfig): Promise<boolean> {
  const raw = openStore(url, storeOptions);
  try {
    const store = clusterStore(raw, () => {});
    const known = await store.nodes.get(node);
    if (known === undefined || known.value.gone) return false;
    return await giveUpNode(store, known, await store.heartbeats.get(node));
  } finally {
    await raw.close();
  }
}
