/** The cluster itself: two nodes in two subnets with agents as plain processes, and nothing left of it. */

import { afterAll, describe, expect } from "bun:test";
import { needs } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { startAgent, startAgents } from "./agents.ts";
import { kubernetesNeeds, kubernetesPrograms } from "./built.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { urlHost } from "./control-plane.ts";
import { coreDns } from "./coredns.ts";
import { traces } from "./down.ts";
import { until } from "./until.ts";
import { webServers } from "./web.ts";

const NAME = `bare${process.pid}`;
interface Pod {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly podIPs: readonly { readonly ip: string }[] };
}

interface Node {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly message: string }[] };
}

interface Service {
  readonly spec: { readonly clusterIPs: readonly string[] };
}

describe("a cluster of two nodes", () => {
  const test = needs(...kubernetesNeeds);
  let started: Promise<Cluster> | undefined;
  afterAll(async () => {
    await (await started)?.stop();
    expect(traces(NAME)).toEqual([]);
  });
  const cluster = (): Promise<Cluster> => {
    started ??= startCluster({
      name: NAME,
      programs: kubernetesPrograms,
      families: [4, 6],
      nodes: [
        { name: "node1", subnet: "rack1" },
        { name: "node2", subnet: "rack2" },
      ],
    });
    return started;
  };

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
    const pods = (await get<{ items: readonly Pod[] }>("pods", "-l", "app=web")).items;
    expect(pods.map(({ spec }) => spec.nodeName).sort()).toEqual(["node1", "node2"]);
    const service = await get<Service>("service", "web");
    expect(service.spec.clusterIPs).toHaveLength(2);
    const names = pods.map(({ metadata }) => metadata.name);
    const ask = (from: string, address: string) => hostnameAt(up, from, address);
    for (const from of names) {
      for (const { metadata, status } of pods) {
        expect(status.podIPs).toHaveLength(2);
        for (const { ip } of status.podIPs) expect(await ask(from, ip)).toBe(metadata.name);
      }
      for (const address of service.spec.clusterIPs) expect(names).toContain(await ask(from, address));
      // Fails, with an exit status, where the name is not resolved or nobody answers.
      await exec(from, ["/agnhost", "connect", "--timeout=5s", "web.default.svc.cluster.local:80"]);
      await expect(exec(from, ["/agnhost", "connect", "--timeout=5s", "nobody.default.svc:80"])).rejects.toThrow("DNS");
    }
  });

  test("a node that is switched off and on again has its pods as before", async () => {
    const up = await cluster();
    const podOn = async (node: string) => {
      const { items } = await up.get<{ items: readonly Pod[] }>(
        "pods",
        "-l",
        "app=web",
        `--field-selector=spec.nodeName=${node}`,
      );
      return items[0];
    };
    const from = (await podOn("node1"))?.metadata.name ?? "";
    await startAgent(up, await up.reboot("node2"));
    await until("the pod answers again", async () => {
      const pod = await podOn("node2");
      return pod !== undefined && (await hostnameAt(up, from, pod.status.podIPs[0]?.ip ?? "")) === pod.metadata.name;
    });
  });
});

/** What a pod's server says to a pod. */
function hostnameAt({ exec }: Cluster, from: string, address: string): Promise<string> {
  return exec(from, ["timeout", "5", "wget", "-q", "-O", "-", `http://${urlHost(address)}/hostname`]);
}

expectNothingLeft();
