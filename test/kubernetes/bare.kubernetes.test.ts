/** The cluster itself: two nodes in two subnets with agents as plain processes, and nothing left of it. */

import { describe, expect } from "bun:test";
import { needs } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { startAgent, startAgents } from "./agents.ts";
import { hostnameAt, type Pod, podsOf, type Service } from "./asking.ts";
import { kubernetesNeeds } from "./built.ts";
import { coreDns } from "./coredns.ts";
import { testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";
import { webServers } from "./workloads.ts";

interface Node {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly message: string }[] };
}

describe("a cluster of two nodes", () => {
  const test = needs(...kubernetesNeeds);
  const cluster = testCluster({
    name: "bare",
    families: [4, 6],
    nodes: [
      { name: "node1", subnet: "rack1" },
      { name: "node2", subnet: "rack2" },
    ],
  });

  test("its nodes are Ready once each has an agent", async () => {
    const up = await cluster();
    await until("each node says what it lacks", async () => {
      const { items } = await up.get<{ items: readonly Node[] }>("nodes");
      return items.every(({ status }) =>
        status.conditions.some(
          ({ type, message }) => type === "Ready" && message.includes("cni plugin not initialized"),
        ),
      );
    });
    await startAgents(up);
  });

  test("pods on all nodes reach each other by address, by service and by name", async () => {
    const up = await cluster();
    const { apply, kubectl, get, exec, families } = up;
    await apply([...webServers(), ...coreDns(families)]);
    await kubectl("rollout", "status", "daemonset/web", "--timeout=60s");
    await kubectl("rollout", "status", "deployment/coredns", "--namespace=kube-system", "--timeout=60s");
    const pods = await podsOf(up, "app=web");
    expect(pods.map(({ spec }) => spec.nodeName).sort()).toEqual(["node1", "node2"]);
    const service = await get<Service>("service", "web");
    expect(service.spec.clusterIPs).toHaveLength(2);
    const names = pods.map(({ metadata }) => metadata.name);
    const ask = (from: Pod, address: string) => hostnameAt(up, from, address);
    for (const from of pods) {
      for (const { metadata, status } of pods) {
        expect(status.podIPs).toHaveLength(2);
        for (const { ip } of status.podIPs) expect(await ask(from, ip)).toBe(metadata.name);
      }
      for (const address of service.spec.clusterIPs) expect(names).toContain(await ask(from, address));
      // Fails, with an exit status, where the name is not resolved or nobody answers.
      await exec(from.metadata.name, ["/agnhost", "connect", "--timeout=5s", "web.default.svc.cluster.local:80"]);
      await expect(
        exec(from.metadata.name, ["/agnhost", "connect", "--timeout=5s", "nobody.default.svc:80"]),
      ).rejects.toThrow("DNS");
    }
  });

  test("a node that is switched off and on again has its pods as before", async () => {
    const up = await cluster();
    const podOn = async (node: string) => (await podsOf(up, "app=web")).find(({ spec }) => spec.nodeName === node);
    const from = (await podOn("node1")) as Pod;
    await startAgent(up, await up.reboot("node2"));
    await until("the pod answers again", async () => {
      const pod = await podOn("node2");
      return pod !== undefined && (await hostnameAt(up, from, pod.status.podIPs[0]?.ip ?? "")) === pod.metadata.name;
    });
  });
});

expectNothingLeft();
