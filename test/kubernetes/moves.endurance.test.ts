/** A StatefulSet of three whose pods move between nodes, with their addresses, under the eyes of established clients. */

import { describe, expect } from "bun:test";
import { needs } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { type Pod, podsOf } from "./asking.ts";
import { kubernetesNeeds } from "./built.ts";
import type { Cluster } from "./cluster.ts";
import { hasImage, install } from "./installed.ts";
import { startLoad } from "./load.ts";
import { LONG } from "./long.ts";
import { expectSound } from "./node-state.ts";
import { inPod } from "./places.ts";
import { THREE_NODES, testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";
import { PORTS, stickyPods, webServers } from "./workloads.ts";

const MOVES = LONG ? 10 : 4;
/** A client gives up a request after this time, and asks by a new connection. */
const PATIENCE_MS = 1000;
/** From when the pod is seen to be ready until the last of its clients has found it. */
const RECONNECT_MS = 3 * PATIENCE_MS;

describe("a StatefulSet of three", () => {
  const test = needs(...kubernetesNeeds, hasImage);
  const cluster = testCluster({
    name: "moving",
    families: [4, 6],
    nodes: THREE_NODES,
  });

  test("has pods, and each an established client on each node", async () => {
    const up = await cluster();
    await install(up);
    await up.apply([...webServers(), ...stickyPods(3)]);
    await up.kubectl("rollout", "status", "daemonset/web", "--timeout=120s");
    await up.kubectl("rollout", "status", "statefulset/home", "--timeout=120s");
    await expectSound(up);
  });

  test(`keeps its addresses in ${MOVES} moves between nodes, and its clients find it at once`, async () => {
    const up = await cluster();
    const before = addressesOf(await podsOf(up, "app=home"));
    expect(before).toHaveLength(3);
    const clients = await Promise.all((await podsOf(up, "app=web")).map((pod) => inPod(up, pod)));
    const found: number[] = [];
    for (let move = 0; move < MOVES; move++) {
      const name = `home-${move % 3}`;
      const { spec, status } = await homeOf(up, name);
      const targets = status.podIPs.map(({ ip }) => ({ address: ip, port: PORTS.web }));
      const load = await startLoad(clients, targets, PATIENCE_MS);
      await up.kubectl("cordon", spec.nodeName);
      await up.kubectl("delete", "pod", name);
      const isBack = async () => (await homeOf(up, name)).status.containerStatuses[0]?.ready === true;
      await until(`${name} is ready again`, isBack);
      const ready = Date.now();
      await Bun.sleep(RECONNECT_MS + PATIENCE_MS);
      const { lastLost, asked, lost } = await load.end();
      // While it was on its way nobody could answer.
      expect(lost).toBeGreaterThan(0);
      expect(asked).toBeGreaterThan(lost);
      expect((await homeOf(up, name)).spec.nodeName).not.toBe(spec.nodeName);
      await up.kubectl("uncordon", spec.nodeName);
      found.push(Math.max(0, lastLost - ready));
      expect([name, ...found.slice(-1).filter((milliseconds) => milliseconds > RECONNECT_MS)]).toEqual([name]);
      expect(addressesOf(await podsOf(up, "app=home"))).toEqual(before);
    }
    console.log(`  clients lost their last request so many ms after the pod was ready: ${found.join(", ")}`);
    await expectSound(up);
  }, 600_000);
});

/** The pod of this name. Throws while there is none. */
async function homeOf(up: Cluster, name: string): Promise<Pod> {
  const pod = (await podsOf(up, "app=home")).find(({ metadata }) => metadata.name === name);
  if (pod === undefined) throw new Error(`There is no pod "${name}"`);
  return pod;
}

function addressesOf(pods: readonly Pod[]): string[] {
  return pods.map(({ metadata, status }) => [metadata.name, ...status.podIPs.map(({ ip }) => ip)].join(" ")).sort();
}

expectNothingLeft();
