/** Two nodes whose addresses are those that Kubernetes gives them, and that are given each other's. */

import { afterEach, beforeAll, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { hasAddress } from "../../src/core/networks.ts";
import { inNetns } from "../../src/linux/netns.ts";
import { type RunningAgent, testAgents } from "../support/agent.ts";
import { needs, program, root } from "../support/needs.ts";
import { type Config, expectBuilt, fail, type Host, succeed, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { twoNodes } from "../support/two-nodes.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
const agents = testAgents();
const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});
expectNothingLeft();
const test = needs(root, program("ip"), program("ping"));

const NETWORK: Config = { cniVersion: "1.1.0", name: "net", type: "tendril" };
const TRY_AGAIN = 11;
const PORT = 8001;

/** Blocks of one node and the other go over to each other by turns; a node looks every few seconds. */
const PATIENCE = 60_000;

const A = ["10.77.1.0/24", "fd77:0:0:1::/64"];
const B = ["10.77.2.0/24", "fd77:0:0:2::/64"];

/** What Kubernetes says of nodes, at the first node's address. */
function nodesApi({ netns }: Host): Map<string, readonly string[]> {
  const podCidrs = new Map<string, readonly string[]>();
  const server = inNetns(netns.netns, () =>
    Bun.serve({
      hostname: "192.0.2.1",
      port: PORT,
      fetch(request) {
        const name = /^\/api\/v1\/nodes\/([^/]+)$/.exec(new URL(request.url).pathname)?.[1];
        const found = podCidrs.get(name ?? "");
        if (request.method === "GET" && found !== undefined) {
          return Response.json({ metadata: { name }, spec: { podCIDRs: found }, status: {} });
        }
        return Response.json({ message: "there is none", reason: "NotFound" }, { status: 404 });
      },
    }),
  );
  ending.push(() => server.stop(true));
  return podCidrs;
}

function kubeconfig(host: Host): string {
  const path = host.path("kubeconfig");
  const named = <T extends object>(kind: string, value: T) => [{ name: "c", [kind]: value }];
  const text = {
    "current-context": "c",
    clusters: named("cluster", { server: `http://192.0.2.1:${PORT}` }),
    contexts: named("context", { cluster: "c", user: "c" }),
    users: named("user", { token: "t" }),
  };
  writeFileSync(path, JSON.stringify(text));
  return `kubernetes:${path}`;
}

async function until(what: string, agent: RunningAgent, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  while (!(await isSo())) {
    if (performance.now() > deadline) {
      throw new Error(`It did not come to be that ${what}: ${agent.log()}${JSON.stringify(await agent.status())}`);
    }
    await Bun.sleep(50);
  }
}

test("each waits for its own, gives of it alone, and of the other's when that has left it, however they wait for each other", async () => {
  const { nodes, config } = twoNodes(hosts);
  const [{ host: first }, { host: second }] = nodes;
  const podCidrs = nodesApi(first);
  const start = () =>
    Promise.all(
      nodes.map((node) => {
        const fields = { ipam: "node-cidr", kubernetes: kubeconfig(node.host) };
        return agents.start(node.host, { config: config(node, fields) });
      }),
    ) as Promise<[RunningAgent, RunningAgent]>;
  const attach = async (host: Host, id: string) => {
    const container = hosts.container(id);
    const { ips = [] } = await succeed(host, { verb: "ADD", container, config: NETWORK });
    return { container, addresses: ips.map(({ address }) => address.split("/")[0] ?? "") };
  };
  type Pod = Awaited<ReturnType<typeof attach>>;
  const reach = (from: Pod, to: Pod) => {
    for (const address of to.addresses) from.container.namespace.sh(`ping -c 1 -w 10 ${address}`);
  };
  const isOf = (pod: Pod, networks: readonly string[]) =>
    pod.addresses.every((address) => hasAddress(networks, address));

  const [one, two] = await start();
  await until("it says what it waits for", one, async () =>
    (await one.status()).problems.some((problem) => problem.startsWith('The API server knows no Node "node1"')),
  );
  podCidrs.set("node1", A).set("node2", B);
  for (const agent of [one, two]) await until("it is ready", agent, async () => (await agent.status()).ready);
  for (const agent of [one, two]) await agent.knowsPeers(1);
  const before = [await attach(first, "a1"), await attach(second, "b1")] as const;
  expect([isOf(before[0], A), isOf(before[1], B)]).toEqual([true, true]);
  reach(before[0], before[1]);

  // Both Nodes are made anew, each with what the other one had.
  for (const agent of [one, two]) await agent.stop();
  podCidrs.set("node1", B).set("node2", A);
  const [again, other] = await start();
  await until("it says who has it", again, async () =>
    (await again.status()).problems.some((problem) => problem.includes('is still in the hands of "node2"')),
  );
  const refused = await fail(first, { verb: "ADD", container: hosts.container("a2"), config: NETWORK });
  expect(refused.code).toBe(TRY_AGAIN);
  expect(refused.msg).toContain("10.77.2.0/24");
  // The pods that are there go on by the nodes' former addresses.
  for (const agent of [again, other]) await agent.knowsPeers(1);
  reach(before[0], before[1]);
  reach(before[1], before[0]);

  await succeed(first, { verb: "DEL", container: before[0].container, config: NETWORK });
  await succeed(second, { verb: "DEL", container: before[1].container, config: NETWORK });
  for (const agent of [again, other]) await until("it is ready", agent, async () => (await agent.status()).ready);
  for (const agent of [again, other]) await agent.knowsPeers(1);
  const after = [await attach(first, "a3"), await attach(second, "b3")] as const;
  expect([isOf(after[0], B), isOf(after[1], A)]).toEqual([true, true]);
  reach(after[0], after[1]);
  for (const agent of [again, other]) await agent.stop();
});
