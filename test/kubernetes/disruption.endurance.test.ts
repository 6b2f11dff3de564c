/** Requests at a constant rate while the cluster's programs are killed and started again: none is lost. */

import { describe, expect } from "bun:test";
import { needs } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { podsOf } from "./asking.ts";
import { kubernetesNeeds } from "./built.ts";
import type { Cluster } from "./cluster.ts";
import {
  agentsReady,
  hasImage,
  installSound,
  killAgent,
  killControllers,
  NAMESPACE,
  RESTARTING_AT_ONCE,
} from "./installed.ts";
import { whileAsking } from "./load.ts";
import { LONG } from "./long.ts";
import { expectSound } from "./node-state.ts";
import { answersAt, inPod, url } from "./places.ts";
import { THREE_NODES, testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";
import { manyPods } from "./workloads.ts";

/** How long there is no API server, in milliseconds. */
const WITHOUT_SERVER_MS = LONG ? 60_000 : 15_000;
/** How many pods come while their agents are killed. */
const POD_COUNT = 12;

describe("a cluster under load", () => {
  const test = needs(...kubernetesNeeds, hasImage);
  const cluster = testCluster({
    name: "disrupted",
    families: [4, 6],
    kubelet: RESTARTING_AT_ONCE,
    nodes: THREE_NODES,
  });

  const losesNothing = async (work: (up: Cluster) => Promise<void>) => {
    const up = await cluster();
    const load = await whileAsking(up, () => work(up));
    console.log(`  ${load.asked} requests, ${load.lost} lost, the slowest answered after ${load.slowest} ms`);
    expect(load.asked).toBeGreaterThan(100);
    expect(load).toMatchObject({ lost: 0, reasons: [] });
  };

  test("has pods on all nodes", async () => {
    const up = await cluster();
    await installSound(up, manyPods(0));
  });

  test("loses no request when all agents and controllers are killed at once, which are back by themselves", async () => {
    await losesNothing(async (up) => {
      await Promise.all([...up.nodes().map(killAgent), killControllers(up)]);
      await agentsReady(up);
      await up.kubectl(
        "rollout",
        "status",
        "deployment/tendril-controller",
        `--namespace=${NAMESPACE}`,
        "--timeout=60s",
      );
    });
  });

  test("loses none while etcd is killed and started again, and then without an API server", async () => {
    await losesNothing(async ({ control, kubectl }) => {
      await control.machine.kill("etcd");
      await Bun.sleep(3000);
      await control.startEtcd();
      await until("the API server is well", async () => (await kubectl("get", "--raw", "/readyz")) === "ok");
      await control.machine.kill("kube-apiserver");
      await Bun.sleep(WITHOUT_SERVER_MS);
      await control.startApiserver();
      // Those that lead end when they cannot say so any more, and are started again.
      for (const name of ["kube-controller-manager", "kube-scheduler"]) await control.machine.kill(name);
      await Promise.all([control.startControllerManager(), control.startScheduler()]);
    });
    await agentsReady(await cluster());
    await newPodsAreReached(await cluster());
  });

  test("loses none while kubelets and container runtimes are killed and started again", async () => {
    await losesNothing(async (up) => {
      for (const node of up.nodes()) {
        await node.machine.kill("kubelet");
        await node.machine.kill("containerd");
        await node.startContainerd();
        await node.startKubelet();
      }
      await up.ready();
    });
    await newPodsAreReached(await cluster());
  });

  test("loses none while pods come and their agents are killed over and over; no address is lost or doubled", async () => {
    await losesNothing(async (up) => {
      await up.kubectl("scale", "deployment/many", `--replicas=${POD_COUNT}`);
      for (let round = 0; round < 4; round++) {
        await Bun.sleep(700);
        await Promise.all(up.nodes().map(killAgent));
      }
      await agentsReady(up);
      await up.kubectl("rollout", "status", "deployment/many", "--timeout=120s");
    });
    await newPodsAreReached(await cluster(), POD_COUNT);
    await expectSound(await cluster());
  });

  test("a node that loses its power has its pods again, and its addresses are theirs alone", async () => {
    const up = await cluster();
    await up.reboot("node3");
    await up.ready();
    await agentsReady(up);
    await expectSound(up, 120_000);
    await newPodsAreReached(up);
  });
});

/** Pods that are made now are reached by those on all nodes, and go again. */
async function newPodsAreReached(up: Cluster, count = up.nodes().length): Promise<void> {
  const scale = (replicas: number) => up.kubectl("scale", "deployment/many", `--replicas=${replicas}`);
  await scale(count);
  await up.kubectl("rollout", "status", "deployment/many", "--timeout=120s");
  await expectSound(up);
  const all = [...(await podsOf(up, "app=web")), ...(await podsOf(up, "app=many"))];
  expect(all).toHaveLength(up.nodes().length + count);
  const names = all.flatMap(({ metadata, status }) => status.podIPs.map(() => metadata.name));
  const urls = all.flatMap(({ status }) => status.podIPs.map(({ ip }) => url(ip)));
  for (const pod of all.slice(0, up.nodes().length)) {
    expect(await answersAt(await inPod(up, pod), urls)).toEqual(names);
  }
  await scale(0);
  await expectSound(up);
}

expectNothingLeft();
