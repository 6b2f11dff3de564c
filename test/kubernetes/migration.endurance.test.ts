/**
 * A cluster whose pods are on a bridge of the reference plugins comes over node by node, as docs/kubernetes.md says; and
 * a container runtime of the other version, which asks for STATUS, is killed and started again.
 */

import { describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { needs, program } from "../support/needs.ts";
import { peerPlugins, peers } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { podsOf } from "./asking.ts";
import { kubernetesNeeds } from "./built.ts";
import type { Cluster } from "./cluster.ts";
import { agentsReady, hasImage, install, NAMESPACE } from "./installed.ts";
import { answersAt, inPod, url } from "./places.ts";
import { testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";
import type { Worker } from "./worker.ts";
import { webServers } from "./workloads.ts";

const CONTAINERD_2 = process.env.TENDRIL_CONTAINERD_2 ?? "";
const OLD = "/etc/cni/net.d/05-old.conflist";
const LEASES = "/var/lib/cni/networks/old";

const hasContainerd2 = () =>
  existsSync(join(CONTAINERD_2, "containerd")) ? undefined : "TENDRIL_CONTAINERD_2 names no folder of containerd 2";

/** The configuration that a node has had, with a range of its own. */
function oldNetwork(range: string): object {
  return {
    cniVersion: "1.0.0",
    name: "old",
    plugins: [
      {
        ...{ type: "bridge", bridge: "cni0", isGateway: true, ipMasq: true, hairpinMode: true },
        ipam: { type: "host-local", ranges: [[{ subnet: range }]], routes: [{ dst: "0.0.0.0/0" }] },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}

describe("a cluster with the network of other plugins", () => {
  const plugins = ["bridge", "host-local", "portmap"];
  const test = needs(...kubernetesNeeds, hasImage, hasContainerd2, peers("1.0.0", ...plugins), program("iptables"));
  const cluster = testCluster({
    name: "coming",
    ...(CONTAINERD_2 === "" ? {} : { containerd: CONTAINERD_2 }),
    nodes: [
      { name: "node1", subnet: "rack1" },
      { name: "node2", subnet: "rack2" },
    ],
  });
  const ranges: Readonly<Record<string, string>> = { node1: "10.88.1.0/24", node2: "10.88.2.0/24" };
  const webOn = async (up: Cluster, node: string) =>
    (await podsOf(up, "app=web")).find(({ spec }) => spec.nodeName === node);
  const addressOn = async (up: Cluster, node: string) => (await webOn(up, node))?.status.podIPs[0]?.ip ?? "";
  const doctor = async (up: Cluster, node: string) => {
    const agents = await podsOf(up, "app.kubernetes.io/component=agent", NAMESPACE);
    const agent = agents.find(({ spec }) => spec.nodeName === node)?.metadata.name ?? "";
    // Its exit status says whether there is anything to tell.
    return (await up.tryKubectl(["exec", `--namespace=${NAMESPACE}`, agent, "--", "/usr/bin/tendril", "doctor"]))
      .stdout;
  };

  test("goes on as it was when Tendril is installed beside it, and the doctor names its file", async () => {
    const up = await cluster();
    for (const node of up.nodes()) {
      await node.output([
        "sh",
        "-c",
        `cp ${[...plugins, "loopback"].map((name) => join(peerPlugins, name)).join(" ")} /opt/cni/bin/`,
      ]);
      node.write(OLD, oldNetwork(ranges[node.name] ?? ""));
    }
    await up.ready();
    await up.apply(webServers());
    await up.kubectl("rollout", "status", "daemonset/web", "--timeout=120s");
    await install(up);
    for (const { name } of up.nodes()) {
      expect(await addressOn(up, name)).toStartWith(ranges[name]?.replace(/0\/24$/, "") ?? "");
      expect(await doctor(up, name)).toContain('"05-old.conflist" (network "old")');
    }
  });

  test("comes over node by node", async () => {
    const up = await cluster();
    for (const node of up.nodes()) {
      await comeOver(up, node);
      await until(`the pod of ${node.name} has an address of Tendril's`, async () =>
        (await addressOn(up, node.name)).startsWith("10.244."),
      );
      expect(await doctor(up, node.name)).not.toContain("05-old");
    }
    await up.kubectl("rollout", "status", "daemonset/web", "--timeout=60s");
    await expectReach(up);
  });

  test("containerd 2 is killed and started again: pods go on, and new ones come", async () => {
    const up = await cluster();
    for (const { machine, startContainerd } of up.nodes()) {
      await machine.kill("containerd");
      await startContainerd();
    }
    await expectReach(up);
    await agentsReady(up);
    await up.ready();
    await up.kubectl("rollout", "restart", "daemonset/web");
    await up.kubectl("rollout", "status", "daemonset/web", "--timeout=120s");
    await until("the old pods are gone", async () => (await podsOf(up, "app=web")).length === 2);
    await expectReach(up);
  });
});

/** The steps for one node. */
async function comeOver(up: Cluster, { name, output }: Worker): Promise<void> {
  await output(["rm", OLD]);
  await up.kubectl("delete", "pods", "-l", "app=web", `--field-selector=spec.nodeName=${name}`);
  await up.kubectl("rollout", "status", "daemonset/web", "--timeout=120s");
  // containerd takes pods down by the file that it has now, so the old network's plugins are not told of this one.
  await output(["ip", "link", "delete", "cni0"]);
  await output(["rm", "-r", LEASES]);
}

async function expectReach(up: Cluster): Promise<void> {
  const pods = await podsOf(up, "app=web");
  expect(pods).toHaveLength(2);
  const urls = pods.map(({ status }) => url(status.podIPs[0]?.ip ?? ""));
  for (const pod of pods) {
    expect(await answersAt(await inPod(up, pod), urls)).toEqual(pods.map(({ metadata }) => metadata.name));
  }
}

expectNothingLeft();
