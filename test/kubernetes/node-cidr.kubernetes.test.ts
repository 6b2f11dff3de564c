/** Nodes that Kubernetes gives networks of their own, in a cluster that says which networks its pods have, as kubeadm does. */

import { describe, expect } from "bun:test";
import { hasAddress, holds } from "../../src/core/networks.ts";
import { needs } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { hostnameAt, type Pod, podsOf, type Service } from "./asking.ts";
import { kubernetesNeeds } from "./built.ts";
import { PODS } from "./fabric.ts";
import { AGNHOST } from "./images.ts";
import { hasImage, installText, killAgent, NAMESPACE, printed } from "./installed.ts";
import { testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";
import { webServers } from "./workloads.ts";

interface Node {
  readonly metadata: { readonly uid: string };
  readonly spec: { readonly podCIDRs?: readonly string[] };
  readonly status: {
    readonly conditions: readonly { type: string; status: string; reason: string; message: string }[];
  };
}

interface Block {
  readonly spec: { readonly node: string; readonly cidr: string };
}

/** Where an agent says on its node how that is. */
const SOCKET = "/run/tendril/agent.sock";
const STATUS = "http://agent/status";

/** What kubeadm leaves of its configuration. */
const kubeadmConfig = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "kubeadm-config", namespace: "kube-system" },
  data: {
    ClusterConfiguration: `apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nnetworking:\n  podSubnet: ${PODS.join(",")}\n`,
  },
};

function fixedPod(name: string, nodeName: string, address: string): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, annotations: { "tendril.dev/addresses": address } },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "pause", image: AGNHOST, args: ["pause"] }],
    },
  };
}

describe("a cluster whose nodes have podCIDRs", () => {
  const test = needs(...kubernetesNeeds, hasImage);
  const cluster = testCluster({
    name: "nodecidr",
    families: [4, 6],
    allocateNodeCidrs: true,
    nodes: [
      { name: "node1", subnet: "rack1" },
      { name: "node2", subnet: "rack2" },
    ],
  });
  const podCidrs = async (node: string) => (await (await cluster()).get<Node>("node", node)).spec.podCIDRs ?? [];
  const blocksOf = async (node: string) =>
    (await (await cluster()).get<{ items: readonly Block[] }>("blocks")).items
      .filter(({ spec }) => spec.node === node)
      .map(({ spec }) => spec.cidr)
      .sort();
  const webOn = async (node: string) => {
    const found = (await podsOf(await cluster(), "app=web")).find(({ spec }) => spec.nodeName === node);
    if (found === undefined) throw new Error(`There is no web server on ${node}`);
    return found;
  };
  const addresses = ({ status }: Pod) => status.podIPs.map(({ ip }) => ip);
  const isHome = async (pod: Pod) =>
    addresses(pod).length === 2 &&
    addresses(pod).every((address) => hasAddress(cidrs.get(pod.spec.nodeName) ?? [], address));
  const cidrs = new Map<string, readonly string[]>();
  const agentLog = async () => (await cluster()).kubectl("logs", `--namespace=${NAMESPACE}`, "ds/tendril-agent");
  /** All web servers reach each other, and the service. */
  const reach = async () => {
    const up = await cluster();
    const { spec } = await up.get<Service>("service", "web");
    const pods = [await webOn("node1"), await webOn("node2")];
    for (const from of pods) {
      for (const to of pods) {
        for (const address of addresses(to)) expect(await hostnameAt(up, from, address)).toBe(to.metadata.name);
      }
      for (const address of spec.clusterIPs) {
        expect(pods.map(({ metadata }) => metadata.name)).toContain(await hostnameAt(up, from, address));
      }
    }
  };

  test("has the pool that kubeadm speaks of, and each node the blocks that it was given", async () => {
    const up = await cluster();
    await up.apply(kubeadmConfig);
    await installText(up, await printed("--ipam", "node-cidr"));
    const { spec } = await up.get<{ spec: { cidrs: string[]; blockBits: object } }>("pool", "default");
    expect(spec).toMatchObject({ cidrs: [...PODS], blockBits: { ipv4: 24, ipv6: 122 } });
    for (const node of ["node1", "node2"]) {
      const own = await podCidrs(node);
      expect(own).toHaveLength(2);
      cidrs.set(node, own);
      const [first = "", second = "", ...more] = await blocksOf(node);
      expect([first, more]).toEqual([own[0] ?? "", []]);
      expect(holds(own[1] ?? "", second)).toBe(true);
    }
    const [network = ""] = cidrs.get("node2") ?? [];
    expect(await up.node("node1").output(["ip", "route", "show", "proto", "84"])).toContain(`${network} `);
  });

  test("its pods have addresses of their nodes' networks, and reach each other and services", async () => {
    const { apply, kubectl } = await cluster();
    await apply(webServers());
    await kubectl("rollout", "status", "daemonset/web", "--timeout=60s");
    for (const node of ["node1", "node2"]) expect(await isHome(await webOn(node))).toBe(true);
    await reach();
  });

  test("a pod has the address that it names where that is its node's, and is told where it is not", async () => {
    const { apply, kubectl, get } = await cluster();
    const address = (cidrs.get("node1")?.[0] ?? "").replace("0/24", "77");
    await apply([fixedPod("here", "node1", address), fixedPod("elsewhere", "node2", address)]);
    await kubectl("wait", "--for=condition=Ready", "pod/here", "--timeout=60s");
    expect(addresses(await get<Pod>("pod", "here"))).toContain(address);
    const sentence = `Address ${address} is not of node "node2", which gives those of its podCIDRs alone (${cidrs.get("node2")?.join(", ")})`;
    const described = async () => (await kubectl("describe", "pod", "elsewhere")).replace(/\s+/g, " ");
    await until("the pod is told", async () => (await described()).includes(sentence), { details: described });
    await kubectl("delete", "pod", "here", "elsewhere", "--wait=true", "--timeout=60s");
  });

  test("a node whose runtime would take another network first says so wherever one looks, and when it is over", async () => {
    const { node, get, kubectl } = await cluster();
    const { output } = node("node2");
    const condition = async () =>
      (await get<Node>("node", "node2")).status.conditions.find(({ type }) => type === "NetworkUnavailable");
    const other = "/etc/cni/net.d/05-other.conflist";
    const text = '{"cniVersion":"1.0.0","name":"other","plugins":[{"type":"bridge","ipam":{"type":"static"}}]}';
    await output(["sh", "-c", `echo '${text}' >${other}`]);
    await until("the Node says it", async () => (await condition())?.reason === "AnotherNetworkIsFirst", {
      details: async () => JSON.stringify(await condition()),
    });
    expect(await condition()).toMatchObject({ status: "False" });
    expect((await condition())?.message).toContain('which is "05-other.conflist" (network "other")');
    const agents = await podsOf(await cluster(), "app.kubernetes.io/component=agent", NAMESPACE);
    const agent = agents.find(({ spec }) => spec.nodeName === "node2")?.metadata.name ?? "";
    const status = await kubectl("exec", "-n", NAMESPACE, agent, "--", "/usr/bin/tendril", "status");
    expect(status).toMatch(/^Node node2 is ready$/m);
    expect(status).toContain('which is "05-other.conflist" (network "other")');
    await output(["rm", other]);
    await until("the Node does not say it any more", async () => (await condition())?.reason === "TendrilIsUp");
  });

  test("a Node made anew waits until it is given networks, and what it had goes when no pod needs it any more", async () => {
    const { kubectl, tryKubectl, get, node, control, apply } = await cluster();
    const before = await webOn("node2");
    const [former = "", ...more] = cidrs.get("node2") ?? [];
    const { uid } = (await get<Node>("node", "node2")).metadata;
    // While nobody gives networks to nodes; and what the node had is another one's by then.
    await control.machine.kill("kube-controller-manager");
    await node("node2").machine.kill("kubelet");
    await kubectl("delete", "node", "node2");
    await apply({
      ...{ apiVersion: "v1", kind: "Node", metadata: { name: "another" } },
      spec: {
        podCIDR: former,
        podCIDRs: [former, ...more],
        taints: [{ key: "example.com/none", effect: "NoSchedule" }],
      },
    });
    await node("node2").startKubelet();
    await until("there is another Node", async () => {
      const { exitCode, stdout } = await tryKubectl(["get", "node", "node2", "-o", "json"]);
      return exitCode === 0 && (JSON.parse(stdout) as Node).metadata.uid !== uid;
    });
    await killAgent(node("node2"));
    const status = async () => (await node("node2").run(["curl", "-s", "--unix-socket", SOCKET, STATUS])).stdout;
    await until("its agent says what it waits for", async () => (await status()).includes("has no podCIDRs"), {
      details: status,
    });
    expect(JSON.parse(await status())).toMatchObject({ ready: false, pools: expect.anything() });
    await reach();
    await control.startControllerManager();
    await until("it is given some", async () => (await podCidrs("node2")).length === 2);
    cidrs.set("node2", await podCidrs("node2"));
    const [network = ""] = cidrs.get("node2") ?? [];
    expect(network).not.toBe(former);
    await until("the node has claimed them", async () => (await blocksOf("node2")).includes(network), {
      within: 60_000,
      details: agentLog,
    });
    // The pod that is there has its address as long as it is, and is reached by it.
    const kept = await webOn("node2");
    expect([kept.metadata.name, ...addresses(kept)]).toEqual([before.metadata.name, ...addresses(before)]);
    expect(await blocksOf("node2")).toContain(former);
    await reach();
    await kubectl("delete", "pod", kept.metadata.name, "--wait=true", "--timeout=60s");
    await until("what it had is nobody's", async () => !(await blocksOf("node2")).includes(former), {
      within: 60_000,
      details: async () => `${await kubectl("get", "blocks", "-o", "yaml")}${await agentLog()}`,
    });
    await kubectl("rollout", "status", "daemonset/web", "--timeout=60s");
    await until("the pod is home", async () => isHome(await webOn("node2")));
    await reach();
    expect(await node("node1").output(["ip", "route", "show", "proto", "84"])).not.toContain(`${former} `);
    await kubectl("delete", "node", "another");
  });
});

expectNothingLeft();
