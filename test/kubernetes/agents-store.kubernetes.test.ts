/** Agents that meet in Kubernetes itself: no store but the API server, which is started again meanwhile. */

import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { customResourceDefinitions } from "../../src/store/kubernetes/crds.ts";
import { needs } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { startAgents } from "./agents.ts";
import { podsOf } from "./asking.ts";
import { kubernetesNeeds } from "./built.ts";
import { urlHost } from "./control-plane.ts";
import { testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";
import { webServers } from "./workloads.ts";

const KUBECONFIG = "/etc/tendril/kubeconfig";
const NAMESPACE = { apiVersion: "v1", kind: "Namespace", metadata: { name: "tendril-system" } };

interface Named {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly node?: string };
}

describe("agents over the store kubernetes", () => {
  const test = needs(...kubernetesNeeds);
  const started = testCluster({
    name: "agents",
    families: [4, 6],
    nodes: [
      { name: "node1", subnet: "rack1" },
      { name: "node2", subnet: "rack2" },
    ],
  });

  test("give the pods of all nodes addresses that reach each other, before and after a restart of the API server", async () => {
    const cluster = await started();
    const { apply, kubectl, get, exec, control, nodes } = cluster;
    const items = async <T>(kind: string, ...args: readonly string[]) =>
      (await get<{ items: readonly T[] }>(kind, ...args)).items;
    await apply([NAMESPACE, ...customResourceDefinitions()]);
    await kubectl("wait", "--for=condition=Established", "crd", "--all");
    for (const node of nodes()) node.write(KUBECONFIG, readFileSync(control.kubeconfig, "utf8"));
    await startAgents(cluster, { store: `kubernetes:${KUBECONFIG}` });
    expect((await items<Named>("tendrilnodes")).map(({ metadata }) => metadata.name)).toEqual(["node1", "node2"]);
    expect((await items<Named>("pools")).map(({ metadata }) => metadata.name)).toEqual(["default"]);

    await apply(webServers());
    await kubectl("rollout", "status", "daemonset/web", "--timeout=90s");
    const blocks = await items<Named>("blocks");
    expect(new Set(blocks.map(({ spec }) => spec.node))).toEqual(new Set(["node1", "node2"]));
    let pods = await podsOf(cluster, "app=web");
    expect(pods.map(({ spec }) => spec.nodeName).sort()).toEqual(["node1", "node2"]);
    const expectReach = async () => {
      for (const { metadata: from } of pods) {
        for (const { status } of pods) {
          expect(status.podIPs).toHaveLength(2);
          for (const { ip } of status.podIPs) {
            await exec(from.name, ["/agnhost", "connect", "--timeout=5s", `${urlHost(ip)}:80`]);
          }
        }
      }
    };
    await expectReach();

    const beats = async (node: string) => {
      const lease = await get<{ metadata: { resourceVersion: string } }>("lease", node, "-n", "tendril-system");
      return lease.metadata.resourceVersion;
    };
    await control.machine.kill("kube-apiserver");
    await control.startApiserver();
    const before = await beats("node1");
    await until("the agent beats again", async () => (await beats("node1")) !== before);
    await kubectl("delete", "pods", "--all", "--wait=false");
    await kubectl("rollout", "status", "daemonset/web", "--timeout=90s");
    await until("the new pods are there alone", async () => {
      pods = await podsOf(cluster, "app=web");
      return pods.length === 2 && pods.every(({ status }) => status.podIPs?.length === 2);
    });
    await expectReach();
  });
});

expectNothingLeft();
