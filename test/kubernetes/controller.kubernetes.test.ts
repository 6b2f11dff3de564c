/** The controllers of an installation: one leads, another follows, and what no node can see to alone is seen to. */

import { describe, expect } from "bun:test";
import { needs } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { podsOf } from "./asking.ts";
import { kubernetesNeeds } from "./built.ts";
import { hasImage, importImage, installText, manifest, NAMESPACE, withSettings } from "./installed.ts";
import { testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";
import { webServers } from "./workloads.ts";

const CONTROLLERS = "app.kubernetes.io/component=controller";
const METRICS = "http://127.0.0.1:9096/metrics";

/** Of a node whose agent was there. */
const SILENT = /^Warning NoNetworkAgent: The node's agent has been silent/;

interface Named {
  readonly metadata: { readonly name: string };
}

interface Node extends Named {
  readonly spec: { readonly taints?: readonly { readonly key: string }[] };
  readonly status: { readonly conditions: readonly { type: string; status: string; reason: string }[] };
}

interface Lease {
  readonly spec: { readonly holderIdentity: string; readonly leaseTransitions: number };
}

interface Block extends Named {
  readonly spec: { readonly node: string };
}

interface Figures {
  readonly capacity: string;
  readonly used: number;
  readonly free: string;
  readonly blocks: number;
}

interface Pool extends Named {
  readonly status?: {
    readonly ipv4?: Figures;
    readonly ipv6?: Figures;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  };
}

interface Event {
  readonly involvedObject: { readonly kind: string; readonly name: string };
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

function pool(name: string, cidr: string): object {
  return {
    apiVersion: "tendril.dev/v1",
    kind: "Pool",
    metadata: { name },
    spec: { cidrs: [cidr], blockBits: { ipv4: 30 } },
  };
}

function reservation(name: string, owner: string, address: string, sticky: boolean): object {
  return {
    apiVersion: "tendril.dev/v1",
    kind: "Reservation",
    metadata: { name },
    spec: { addresses: [address], owner, sticky },
  };
}

describe("the controllers of a cluster of three nodes", () => {
  const test = needs(...kubernetesNeeds, hasImage);
  const cluster = testCluster({
    name: "controller",
    families: [4, 6],
    nodes: [
      { name: "node1", subnet: "rack1" },
      { name: "node2", subnet: "rack1" },
      {
        name: "node3",
        subnet: "rack2",
        taints: ["tendril.dev/agent-not-ready=:NoSchedule", "example.com/kept=:PreferNoSchedule"],
      },
    ],
  });
  const items = async <T>(kind: string, ...args: readonly string[]) =>
    (await (await cluster()).get<{ items: readonly T[] }>(kind, ...args)).items;
  const lease = async () => (await cluster()).get<Lease>("lease", "tendril-controller", `--namespace=${NAMESPACE}`);
  const logs = async () =>
    (await cluster()).kubectl("logs", `--namespace=${NAMESPACE}`, `--selector=${CONTROLLERS}`, "--tail=-1", "--prefix");
  /** The pod that leads. */
  const leader = async () => {
    const { spec } = await lease();
    // In its node's network it has its node's name.
    return (await podsOf(await cluster(), CONTROLLERS, NAMESPACE)).find(({ spec: { nodeName } }) =>
      spec.holderIdentity.startsWith(`${nodeName}_`),
    );
  };
  const conditionsOf = async (name: string) => {
    const { status } = await (await cluster()).get<Pool>("pool", name);
    return Object.fromEntries(
      (status?.conditions ?? []).map(({ type, status: is, reason }) => [type, `${is} ${reason}`]),
    );
  };
  const eventsOf = async (kind: string, name: string) =>
    (await items<Event>("events"))
      .filter(({ involvedObject }) => involvedObject.kind === kind && involvedObject.name === name)
      .map(({ type, reason, message }) => `${type} ${reason}: ${message}`);

  test("two run, and one of them leads", async () => {
    const settings = { grace: 6, heartbeat: 1, nodeGrace: 2, ownerGrace: 2, agentGrace: 2, lease: 5 };
    await installText(await cluster(), withSettings(await manifest(await cluster()), settings));
    const { kubectl, node } = await cluster();
    await kubectl("rollout", "status", "deployment/tendril-controller", `--namespace=${NAMESPACE}`, "--timeout=60s");
    const pods = await podsOf(await cluster(), CONTROLLERS, NAMESPACE);
    expect(new Set(pods.map(({ spec }) => spec.nodeName)).size).toBe(2);
    expect(pods.map(({ status }) => status.containerStatuses[0]?.restartCount)).toEqual([0, 0]);
    const told = await Promise.all(
      pods.map(async ({ spec }) => (await node(spec.nodeName).run(["curl", "-s", METRICS])).stdout),
    );
    expect(told.map((text) => /^tendril_controller_leader ([01])$/m.exec(text)?.[1]).sort()).toEqual(["0", "1"]);
  });

  test("nodes are told to have a network, and lose the taint with which they came", async () => {
    const { nodes, get } = await cluster();
    for (const { name } of nodes()) {
      const told = async () =>
        (await get<Node>("node", name)).status.conditions.find(({ type }) => type === "NetworkUnavailable");
      await until(`${name} has a network`, async () => (await told())?.status === "False", { within: 20_000 });
      expect(await told()).toMatchObject({ reason: "TendrilIsUp" });
    }
    const taints = (await get<Node>("node", "node3")).spec.taints?.map(({ key }) => key) ?? [];
    expect(taints).toEqual(["example.com/kept"]);
  });

  test("the pool's status is what its pods have", async () => {
    const { apply, kubectl } = await cluster();
    await apply(webServers());
    await kubectl("rollout", "status", "daemonset/web", "--timeout=90s");
    // The pods, and each node's own end of the tunnels.
    const used = 2 * (await podsOf(await cluster(), "app=web")).length;
    expect(used).toBe(6);
    const found = async () => (await (await cluster()).get<Pool>("pool", "default")).status;
    await until("the pool's status counts them", async () => (await found())?.ipv4?.used === used, {
      within: 20_000,
      details: async () => JSON.stringify(await found()) + (await logs()),
    });
    expect(await found()).toMatchObject({
      ipv4: { capacity: "65534", free: String(65_534 - used), blocks: 3 },
      ipv6: { used, blocks: 3 },
    });
    expect(await conditionsOf("default")).toEqual({
      Exhausted: "False AddressesLeft",
      NearlyExhausted: "False AddressesLeft",
      Conflicting: "False NoConflict",
    });
    expect(await kubectl("get", "pools")).toMatch(/default +\S+ +6 +65528 +65534 +False +False/);
  });

  test("another one leads when the first is killed, and goes on with the work", async () => {
    const { kubectl } = await cluster();
    const before = await lease();
    const first = await leader();
    expect(first).toBeDefined();
    // Without a chance to give it up.
    await kubectl(
      "delete",
      "pod",
      first?.metadata.name ?? "",
      `--namespace=${NAMESPACE}`,
      "--grace-period=0",
      "--force",
    );
    const started = performance.now();
    // One that had the time to give it up has left it with nobody for a moment.
    const hasOther = async () =>
      !["", undefined, before.spec.holderIdentity].includes((await lease()).spec.holderIdentity);
    await until("another one leads", hasOther, { within: 20_000, details: logs });
    expect(performance.now() - started).toBeLessThan(12_000);
    expect((await lease()).spec.leaseTransitions).toBe(before.spec.leaseTransitions + 1);
    await kubectl("rollout", "status", "deployment/tendril-controller", `--namespace=${NAMESPACE}`, "--timeout=60s");
  });

  test("a sticky reservation ends with its owner, and an operator's stays", async () => {
    const { apply } = await cluster();
    await apply([
      reservation("default.ghost-0", "default/ghost-0", "10.244.200.1", true),
      reservation("default.kept-0", "default/kept-0", "10.244.200.2", false),
    ]);
    const names = async () => (await items<Named>("reservations")).map(({ metadata }) => metadata.name);
    await until("the reservation has ended", async () => !(await names()).includes("default.ghost-0"), {
      within: 60_000,
      details: logs,
    });
    expect(await names()).toEqual(["default.kept-0"]);
  });

  test("a node that is deleted is forgotten with its blocks, and comes back under its name", async () => {
    const { kubectl, removeNode, addNode, get } = await cluster();
    const nodes = async () => (await items<Named>("tendrilnodes")).map(({ metadata }) => metadata.name);
    const holders = async () => new Set((await items<Block>("blocks")).map(({ spec }) => spec.node));
    const addressesOf = async () =>
      (await get<{ spec: { addresses: string[] } }>("tendrilnode", "node3")).spec.addresses;
    expect(await holders()).toContain("node3");
    const before = await addressesOf();
    await removeNode("node3");
    await kubectl("delete", "node", "node3");
    await until("node3 is forgotten", async () => !(await nodes()).includes("node3"), {
      within: 90_000,
      details: async () => `${await kubectl("get", "tendrilnodes,blocks", "-o", "wide")}${await logs()}`,
    });
    expect(await holders()).not.toContain("node3");
    expect(await nodes()).toEqual(["node1", "node2"]);

    const added = await addNode({ name: "node3", subnet: "rack1" });
    await importImage(added);
    await (await cluster()).ready();
    expect(await addressesOf()).not.toEqual(before);
    await kubectl("rollout", "status", "daemonset/web", "--timeout=90s");
    expect(await holders()).toContain("node3");
  });

  test("a node without an agent is told of", async () => {
    const { kubectl, apply, node, nodes } = await cluster();
    const away = { spec: { template: { spec: { nodeSelector: { "kubernetes.io/hostname": "nobody" } } } } };
    await kubectl("patch", "daemonset", "tendril-agent", `--namespace=${NAMESPACE}`, `--patch=${JSON.stringify(away)}`);
    await until(
      "it is told of each node",
      async () => {
        const told = await Promise.all(nodes().map(({ name }) => eventsOf("Node", name)));
        return told.every((events) => events.some((event) => SILENT.test(event)));
      },
      { within: 90_000, details: logs },
    );
    const text = (await node((await leader())?.spec.nodeName ?? "").run(["curl", "-s", METRICS])).stdout;
    expect(text).toMatch(/^tendril_nodes_without_agent 3$/m);
    expect(text).toMatch(/^tendril_nodes_given_up_total [1-9]/m);
    const settings = { grace: 6, heartbeat: 1, nodeGrace: 2, ownerGrace: 2, agentGrace: 2, lease: 5 };
    await kubectl("delete", "daemonset", "tendril-agent", `--namespace=${NAMESPACE}`);
    await apply(withSettings(await manifest(await cluster()), settings));
    await kubectl("rollout", "status", "daemonset/tendril-agent", `--namespace=${NAMESPACE}`, "--timeout=120s");
  });

  test("a pool is told to be full before and when it is", async () => {
    const { apply } = await cluster();
    // All but one of 14, each for an owner of its own: what is reserved for nobody the block's node makes free at once.
    const numbers = [...Array(13).keys()].map((i) => i + 1);
    await apply([
      pool("small", "10.99.0.0/28"),
      ...numbers.map((i) => reservation(`kept.${i}`, `kept/${i}`, `10.99.0.${i}`, false)),
      {
        apiVersion: "tendril.dev/v1",
        kind: "Block",
        metadata: { name: "10.99.0.0-30" },
        spec: {
          ...{ version: 1, pool: "small", cidr: "10.99.0.0/30", node: "node1", epoch: 1, offered: [], lent: {} },
          reserved: Object.fromEntries(numbers.map((i) => [`10.99.0.${i}`, `kept.${i}`])),
        },
      },
    ]);
    await until(
      "it is nearly exhausted",
      async () => (await conditionsOf("small")).NearlyExhausted?.startsWith("True") ?? false,
      {
        within: 20_000,
        details: logs,
      },
    );
    expect((await conditionsOf("small")).Exhausted).toBe("False AddressesLeft");
    await until("the event is there", async () =>
      (await eventsOf("Pool", "small")).some((event) => event.startsWith("Warning NearlyExhausted: 90 percent")),
    );
  });

  test("nothing was refused to them, and nothing went wrong", async () => {
    const text = await logs();
    expect(text).toContain("this controller leads");
    expect(text.split("\n").filter((line) => line.includes('"level":"error"'))).toEqual([]);
  });
});

expectNothingLeft();
