/** Random faults while pods come and go: soon after the last of them everything is as it should be, and nothing is left. */

import { describe, expect } from "bun:test";
import { needs } from "../support/needs.ts";
import { type Random, seededRandom } from "../support/random.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { podsOf } from "./asking.ts";
import { kubernetesNeeds } from "./built.ts";
import type { Cluster } from "./cluster.ts";
import { rainFaults } from "./faults.ts";
import { agentsReady, hasImage, installSound, RESTARTING_AT_ONCE } from "./installed.ts";
import { LONG } from "./long.ts";
import { expectSound, expectState, nodeState } from "./node-state.ts";
import { answersAt, inPod, url } from "./places.ts";
import { THREE_NODES, testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";
import { manyPods } from "./workloads.ts";

const RUNS = LONG ? 10 : 1;
const RUN_MS = LONG ? 60_000 : 20_000;
const MOST_PODS = 12;
/** After the last fault. */
const SOUND_MS = 30_000;
/** Then the attachments that no runtime has taken down are found by two looks, half a minute apart. */
const CLEAN_MS = 90_000;

describe("a cluster in bad weather", () => {
  const test = needs(...kubernetesNeeds, hasImage);
  const cluster = testCluster({
    name: "weather",
    families: [4, 6],
    kubelet: RESTARTING_AT_ONCE,
    nodes: THREE_NODES,
  });
  const random = seededRandom("faults of a cluster");
  let before: string[] = [];

  test("has pods on all nodes", async () => {
    const up = await cluster();
    await installSound(up, manyPods(0));
    before = await nodeState(up);
  });

  for (let run = 0; run < RUNS; run++) {
    test(`run ${run}: everybody reaches everybody again, and nothing is left of it`, async () => {
      const up = await cluster();
      const own = random.branch(run);
      const weather = { isOver: false };
      const churn = churnPods(up, own.branch(1), weather);
      try {
        await rainFaults(up, own, RUN_MS, (line) => console.log(`  ${line}`));
      } finally {
        weather.isOver = true;
        await churn;
      }
      const start = performance.now();
      await up.kubectl("scale", "deployment/many", "--replicas=3");
      await up.ready(SOUND_MS);
      await agentsReady(up);
      await until("all pods are there", async () => (await podsOf(up, "app=many")).length === 3, { within: SOUND_MS });
      await until("everybody reaches everybody", () => everybodyReachesEverybody(up), { within: SOUND_MS });
      console.log(`  sound ${((performance.now() - start) / 1000).toFixed(1)} s after the last fault`);
      await up.kubectl("scale", "deployment/many", "--replicas=0");
      await expectSound(up, CLEAN_MS);
      await expectState(up, before, CLEAN_MS);
    }, 600_000);
  }
});

/** Scales a deployment up and down, as long as there is weather. */
async function churnPods(up: Cluster, random: Random, weather: { isOver: boolean }): Promise<void> {
  while (!weather.isOver) {
    // There may be no API server at the moment.
    await up.tryKubectl(["scale", "deployment/many", `--replicas=${random.below(MOST_PODS + 1)}`]);
    await Bun.sleep(500 + random.below(2000));
  }
}

/** Each pod of a web server is asked by each. */
async function everybodyReachesEverybody(up: Cluster): Promise<boolean> {
  const all = [...(await podsOf(up, "app=web")), ...(await podsOf(up, "app=many"))];
  if (!all.every(({ status }) => status.podIPs?.length === up.families.length)) return false;
  const names = all.flatMap(({ metadata, status }) => status.podIPs.map(() => metadata.name));
  const urls = all.flatMap(({ status }) => status.podIPs.map(({ ip }) => url(ip)));
  for (const pod of all) {
    const answers = await answersAt(await inPod(up, pod), urls, 1);
    expect(answers).toEqual(names);
  }
  return true;
}

expectNothingLeft();
