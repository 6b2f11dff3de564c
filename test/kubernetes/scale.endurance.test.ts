/** A Deployment that grows and shrinks over three nodes: all its pods come up, and nothing of them stays. */

import { describe, expect } from "bun:test";
import { needs } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { podsOf } from "./asking.ts";
import { kubernetesNeeds } from "./built.ts";
import { hasImage, installSound } from "./installed.ts";
import { LONG } from "./long.ts";
import { expectSound, expectState, nodeState } from "./node-state.ts";
import { THREE_NODES, testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";
import { idlePods } from "./workloads.ts";

const POD_COUNT = LONG ? 100 : 30;
const ROUNDS = LONG ? 3 : 2;
/** How long the pods of a round may take to come, or to go, on a machine that has much else to do. */
const PATIENCE_MS = 300_000;

describe("a Deployment over three nodes", () => {
  const test = needs(...kubernetesNeeds, hasImage);
  const cluster = testCluster({
    name: "scaled",
    families: [4, 6],
    nodes: THREE_NODES,
  });
  let before: string[] = [];

  test("begins with a cluster that is sound", async () => {
    const up = await cluster();
    await installSound(up, idlePods(0));
    before = await nodeState(up);
    // As many kinds of things as there are are looked at.
    for (const kind of ["link", "route", "rule", "nft", "file"]) {
      expect(before.filter((line) => line.includes(` ${kind} `)).length).toBeGreaterThan(0);
    }
  });

  for (let round = 1; round <= ROUNDS; round++) {
    test(`0 to ${POD_COUNT} to 0, round ${round}: all are Ready, no address is two pods', and nothing is left on the nodes`, async () => {
      const up = await cluster();
      const start = performance.now();
      const seconds = () => ((performance.now() - start) / 1000).toFixed(1);
      await up.kubectl("scale", "deployment/idle", `--replicas=${POD_COUNT}`);
      await up.kubectl("rollout", "status", "deployment/idle", `--timeout=${PATIENCE_MS / 1000}s`);
      console.log(`  ${POD_COUNT} pods are Ready after ${seconds()} s`);
      const pods = await podsOf(up, "app=idle");
      expect(pods).toHaveLength(POD_COUNT);
      expect(new Set(pods.map(({ spec }) => spec.nodeName)).size).toBe(up.nodes().length);
      await expectSound(up);
      expect((await nodeState(up)).length).toBeGreaterThan(before.length + POD_COUNT);
      await up.kubectl("scale", "deployment/idle", "--replicas=0");
      const areGone = async () => (await podsOf(up, "app=idle")).length === 0;
      await until("the pods are gone", areGone, { within: PATIENCE_MS, every: 500 });
      await expectSound(up);
      await expectState(up, before);
      console.log(`  and gone after ${seconds()} s`);
    }, 600_000);
  }
});

expectNothingLeft();
