/** A node of a cluster by itself and with one other: what its agent makes, keeps, leaves alone and takes away. */

import { beforeAll, describe, expect } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { clusterStore } from "../../src/cluster/cluster-store.ts";
import type { NodeRecord } from "../../src/core/cluster.ts";
import { openStore } from "../../src/store/open.ts";
import { type RunningAgent, stateFolder, testAgents, until } from "../support/agent.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, program, root } from "../support/needs.ts";
import { namespaceState } from "../support/network-state.ts";
import {
  type Config,
  call,
  expectBuilt,
  fail,
  type Host,
  type PluginCall,
  succeed,
  testHosts,
  withResult,
} from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { twoNodes } from "../support/two-nodes.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
const agents = testAgents();
expectNothingLeft();
const test = needs(root, program("ip"), program("nft"), program("ping"));

const NETWORK: Config = { cniVersion: "1.1.0", name: "net", type: "tendril" };
/** The codes of TryAgainError and NotAvailableError. */
const TRY_AGAIN = 11;
const NOT_AVAILABLE = 50;

/** A node by itself, with what its agent is told. */
function lonely(fields: Readonly<Record<string, unknown>> = {}) {
  const { nodes, store, config } = twoNodes(hosts);
  const [{ host }] = nodes;
  const written = config(nodes[0], { networkConfig: host.path("10-tendril.conflist"), ...fields });
  return {
    host,
    store,
    config: written,
    networkConfig: host.path("10-tendril.conflist"),
    start: () => agents.start(host, { config: written }),
    async ready(): Promise<RunningAgent> {
      const agent = await agents.start(host, { config: written });
      await agent.ready();
      return agent;
    },
  };
}

const state = ({ netns: { netns } }: Host) => namespaceState(netns);

/** What the store says of a node. */
async function published(store: string, node: string): Promise<NodeRecord | undefined> {
  const raw = openStore(store, {});
  try {
    return (await clusterStore(raw, () => {}).nodes.get(node))?.value;
  } finally {
    await raw.close();
  }
}

function pingable(from: { sh(command: string): string }, address: string | undefined): void {
  from.sh(`ping -c 1 -w 10 ${address?.split("/")[0]}`);
}

describe("a node", () => {
  test("tells the runtime of its network last: the first ADD after that succeeds", async () => {
    const { host, networkConfig, start } = lonely();
    const agent = await start();
    await until("the network's configuration is there", () => existsSync(networkConfig), agent);
    const { plugins, cniVersions, name } = JSON.parse(readFileSync(networkConfig, "utf8"));
    // Of the versions that it offers a runtime takes the newest that it knows.
    const config = { name, cniVersion: cniVersions.at(-1), ...plugins[0] };
    const container = hosts.container("c1");
    const result = await succeed(host, { verb: "ADD", container, config });
    expect(result.ips?.map(({ address }) => address)).toEqual([
      expect.stringMatching(/^10\.77\.\d+\.\d+\/32$/),
      expect.stringMatching(/^fd77:.*\/128$/),
    ]);
    expect((await agent.status()).pods).toMatchObject([{ owner: "net/c1/eth0" }]);
    await succeed(host, { verb: "STATUS", config });
    await succeed(host, { verb: "CHECK", container, config: withResult(config, result) });
    await succeed(host, { verb: "DEL", container, config });
    expect((await agent.status()).pods).toEqual([]);
    const waits = agent
      .log()
      .split("\n")
      .filter((line) => line.includes("not ready yet"));
    // Each says why.
    expect(waits.filter((line) => !/"because":\[".+"\]/.test(line))).toEqual([]);
    await agent.stop();
  });

  test("tells of another network's file that runtimes take before its own, and of its end", async () => {
    const { host, ready } = lonely();
    writeFileSync(host.path("05-other.conflist"), '{"name":"other","plugins":[{"type":"bridge"}]}');
    const agent = await ready();
    const [problem = ""] = (await agent.status()).problems;
    expect(problem).toContain('which is "05-other.conflist" (network "other") and not "10-tendril.conflist"');
    expect(agent.messages("warn")).toContain(problem);
    // Whoever asks for this network gets it.
    await succeed(host, { verb: "STATUS", config: NETWORK });
    rmSync(host.path("05-other.conflist"));
    await until("the file is not told of any more", async () => (await agent.status()).problems.length === 0, agent);
    expect(agent.messages("warn").filter((message) => message === problem)).toHaveLength(1);
    expect(agent.messages("info")).toContain("container runtimes find the cluster's network first");
    await agent.stop();
  });

  test("gives back the addresses of an ADD that fails, whatever it fails of", async () => {
    const { host, ready } = lonely();
    const agent = await ready();
    const container = hosts.container("c1");
    const taken = hosts.container("c2");
    taken.namespace.sh("ip link add eth0 type veth peer name other");
    const before = await state(host);
    const wrong: readonly PluginCall[] = [
      { verb: "ADD", container, config: { ...NETWORK, mtu: "x" } },
      { verb: "ADD", container, config: { ...NETWORK, ipam: { type: "tendril", pool: "none" } } },
      { verb: "ADD", container: { ...container, netns: "/run/netns/there-is-none" }, config: NETWORK },
      { verb: "ADD", container: taken, config: NETWORK },
      { verb: "ADD", container, config: { ...NETWORK, mode: "ipip" } },
    ];
    for (const request of wrong) {
      await fail(host, request);
      expect((await agent.status()).pods).toEqual([]);
    }
    const result = await succeed(host, { verb: "ADD", container, config: NETWORK });
    // One that is refused because there is an attachment already leaves that its addresses.
    await fail(host, { verb: "ADD", container, config: NETWORK });
    expect((await agent.status()).pods).toHaveLength(1);
    await succeed(host, { verb: "CHECK", container, config: withResult(NETWORK, result) });
    await succeed(host, { verb: "DEL", container, config: NETWORK });
    expect((await agent.status()).pods).toEqual([]);
    expectSameState("ADDs that fail, ADD, DEL", await state(host), before);
    await agent.stop();
  });

  test("whose store does not answer says so, and has its runtime call again", async () => {
    const { host, networkConfig, start } = lonely({ store: "etcd://127.0.0.1:1" });
    const agent = await start();
    await until("it is known why", async () => /etcd|127\.0\.0\.1/.test((await agent.status()).problems.join()), agent);
    expect(await agent.status()).toMatchObject({ ready: false, store: { kind: "etcd", available: false } });
    const container = hosts.container("c1");
    expect((await fail(host, { verb: "STATUS", config: NETWORK })).code).toBe(NOT_AVAILABLE);
    const refused = await fail(host, { verb: "ADD", container, config: NETWORK });
    expect(refused.code).toBe(TRY_AGAIN);
    expect(refused.msg).toContain('Node "node1" is not a member of the cluster yet');
    await succeed(host, { verb: "DEL", container, config: NETWORK });
    expect(existsSync(networkConfig)).toBe(false);
    expect(container.namespace.json("ip -j link")).toHaveLength(1);
    await agent.stop();
  });

  test("without its agent has the runtime call again for ADD, completes DEL, and frees the addresses later", async () => {
    const { host, ready } = lonely();
    const container = hosts.container("c1");
    const first = await ready();
    const before = await state(host);
    await succeed(host, { verb: "ADD", container, config: NETWORK });
    await first.stop();
    expect((await fail(host, { verb: "STATUS", config: NETWORK })).code).toBe(NOT_AVAILABLE);
    const other = hosts.container("c2");
    expect((await fail(host, { verb: "ADD", container: other, config: NETWORK })).code).toBe(TRY_AGAIN);
    await succeed(host, { verb: "DEL", container, config: NETWORK });
    expectSameState("DEL without an agent", await state(host), before);
    expect(readdirSync(`${host.runFolder}/releases`)).toHaveLength(1);
    const second = await ready();
    expect((await second.status()).pods).toEqual([]);
    expect(readdirSync(`${host.runFolder}/releases`)).toEqual([]);
    await second.stop();
  });

  test("leaves foreign routes, rules and tables alone from beginning to cleanup, after which nothing is left", async () => {
    const { host, config, networkConfig, ready, store } = lonely();
    host.netns.sh(`ip route add 10.77.128.0/24 via 192.0.2.9 && ip route add 198.51.100.0/24 via 192.0.2.9 proto bird
      ip route add 203.0.113.0/24 via 192.0.2.9 table 99 && ip rule add from 198.51.100.0/24 lookup 99
      ip -6 route add fd77:0:0:ff::/64 via 2001:db8::9 && nft add table inet other
      nft add chain inet other forward '{ type filter hook forward priority 0; policy accept; }'`);
    const before = await state(host);
    const agent = await ready();
    const during = await state(host);
    expect(before.filter((line) => !during.includes(line))).toEqual([]);
    const container = hosts.container("c1");
    await succeed(host, { verb: "ADD", container, config: NETWORK });
    const refused = await agents.run(host, ["cleanup"], { config });
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining("The agent is running") });
    await agent.stop();
    const done = await agents.run(host, ["cleanup"], { config });
    expect(done).toMatchObject({ status: 0, stderr: "" });
    expectSameState("cleanup", await state(host), before);
    expect(container.namespace.json("ip -j link")).toHaveLength(1);
    expect(existsSync(networkConfig)).toBe(false);
    expect(readdirSync(stateFolder(host))).toEqual([]);
    expect(await published(store, "node1")).toMatchObject({ gone: true });
    const again = await agents.run(host, ["cleanup"], { config });
    expect(again).toMatchObject({ status: 0, stderr: "" });
    // It can become one of the cluster again.
    await (await ready()).stop();
  });
});

describe("a node with another one", () => {
  test("has what somebody takes away come back, in mode vxlan", async () => {
    const { nodes, start } = twoNodes(hosts);
    const [{ host }, { host: other }] = nodes;
    // As iptables-nft makes it, for which the agent has chains at the same hook.
    host.netns.sh(
      "nft add table ip filter && nft 'add chain ip filter FORWARD { type filter hook forward priority 0; }'",
    );
    const [first, second] = await start(agents, { mode: "vxlan" });
    const far = hosts.container("far");
    const near = hosts.container("near");
    const { ips = [] } = await succeed(other, { verb: "ADD", container: far, config: NETWORK });
    await succeed(host, { verb: "ADD", container: near, config: NETWORK });
    await first.knowsPeers(1);
    for (const { address } of ips) pingable(near.namespace, address);
    const whole = await kept(host);
    const routes = host.netns.json<{ dst: string }>("ip -j route show dev tendril.vxlan proto 84");
    expect(routes).toHaveLength(1);
    const damages = [
      `ip route del ${routes[0]?.dst}`,
      "ip -6 route flush dev tendril.vxlan proto 84",
      "ip neighbour flush dev tendril.vxlan nud permanent",
      "bridge fdb flush dev tendril.vxlan || bridge fdb show dev tendril.vxlan | awk '{print $1}' | " +
        "xargs -rI{} bridge fdb del {} dev tendril.vxlan",
      "ip address flush dev tendril.vxlan",
      "ip link set tendril.vxlan down",
      "ip link set tendril.vxlan mtu 1280",
      "ip link delete tendril.vxlan",
      "nft delete chain inet tendril cluster-masquerade",
      "nft flush chain inet tendril cluster-forward && nft delete chain inet tendril cluster-forward-begin",
      "nft delete table inet tendril",
    ];
    for (const damage of damages) {
      // It may be undone before one could look at it.
      const { reconciled } = (await first.status()).resources;
      host.netns.sh(damage);
      const isSeen = async () => (await first.status()).resources.reconciled > reconciled;
      await until(`"${damage}" is seen`, isSeen, first);
      await until(`"${damage}" is undone`, async () => Bun.deepEquals(await kept(host), whole)).catch(async () =>
        expectSameState(damage, await kept(host), whole),
      );
    }
    // What has taken a route's place is somebody's, and stays; ours comes first.
    host.netns.sh(`ip route replace ${routes[0]?.dst} via 192.0.2.9`);
    const isBack = () => host.netns.sh(`ip route get ${ips[0]?.address.split("/")[0]}`).includes("tendril.vxlan");
    await until("a route that was replaced is back", isBack, first);
    expect(host.netns.sh("ip route")).toContain(`${routes[0]?.dst} via 192.0.2.9`);
    for (const { address } of ips) pingable(near.namespace, address);
    expect((await first.status()).resources.failed).toBe(0);
    await first.stop();
    await second.stop();
  });

  for (const mode of ["vxlan", "host-gw"]) {
    test(`goes on without its agent, and one that starts touches nothing that is right, in mode ${mode}`, async () => {
      const { nodes, config, start } = twoNodes(hosts);
      const [first, second] = await start(agents, { mode });
      const [{ host }, { host: other }] = nodes;
      const far = hosts.container("far");
      const near = hosts.container("near");
      const { ips = [] } = await succeed(other, { verb: "ADD", container: far, config: NETWORK });
      await succeed(host, { verb: "ADD", container: near, config: NETWORK });
      await first.knowsPeers(1);
      const whole = await state(host);
      await first.stop();
      expectSameState("SIGTERM", await state(host), whole);
      for (const { address } of ips) pingable(near.namespace, address);

      host.netns.sh(
        "ip route add 10.77.99.0/26 via 192.0.2.2 proto 84 && ip -6 route add fd77:9::/64 via 2001:db8::2 proto 84",
      );
      const monitor = Bun.spawn(
        ["nsenter", `--net=${host.netns.netns.path}`, "ip", "-o", "monitor", "link", "address", "route"],
        { stdout: "pipe" },
      );
      const changes = new Response(monitor.stdout).text();
      // It tells of nothing that was before it listened.
      await Bun.sleep(200);
      const again = await agents.start(host, { config: config(nodes[0], { mode }) });
      await again.ready();
      await again.knowsPeers(1);
      await until("what is stale is gone", () => !/ 10\.77\.99\.0\/26 /.test(host.netns.sh("ip route")), again);
      expectSameState("another start", await state(host), whole);
      monitor.kill();
      await monitor.exited;
      const seen = (await changes).split("\n").filter((line) => line !== "" && !/ lladdr |\bfe80::/.test(line));
      expect(seen.filter((line) => !/10\.77\.99\.0\/26|fd77:9::/.test(line))).toEqual([]);
      for (const { address } of ips) pingable(near.namespace, address);

      // One that is killed leaves as much.
      await again.kill();
      for (const { address } of ips) pingable(near.namespace, address);
      await second.stop();
    });
  }

  test("on bridges has pods whose default routes lead by another network reach pods and their node as before", async () => {
    const { nodes, start } = twoNodes(hosts);
    const [first, second] = await start(agents, { bridge: "pods0" });
    const [{ host }, { host: other }] = nodes;
    const [out, near, far] = ["out", "near", "far"].map((name) => hosts.container(name));
    if (out === undefined || near === undefined || far === undefined) throw new Error("no containers");
    const there = await succeed(other, { verb: "ADD", container: far, config: NETWORK });
    const here = await succeed(host, { verb: "ADD", container: near, config: NETWORK });
    // As the agent has it for such a pod: what leads to pods and to the node, and no default route.
    const routes = ["10.77.0.0/16", "fd77::/48", "192.0.2.1/32", "2001:db8::1/128"].map((dst) => ({ dst }));
    const config = { ...NETWORK, defaultRoute: false, ipam: { type: "tendril", routes } };
    const result = await succeed(host, { verb: "ADD", container: out, config });
    const lan: Config = {
      ...{ cniVersion: "1.1.0", name: "lan", type: "bridge", bridge: "lan0", isGateway: true, isDefaultGateway: true },
      ipam: { type: "host-local", dataDir: host.path("leases"), ranges: [[{ subnet: "10.88.0.0/24" }]] },
    };
    const more = { ...out, ifname: "net1" };
    await succeed(host, { verb: "ADD", container: more, config: lan });
    await Promise.all([first.knowsPeers(1), second.knowsPeers(1)]);
    const ways = out.namespace.sh("ip route show default; ip -6 route show default");
    expect(ways.trim()).toMatch(/^default via 10\.88\.0\.1 dev net1\s*$/);
    const addresses = [...(there.ips ?? []), ...(here.ips ?? [])].map(({ address }) => address);
    for (const address of [...addresses, "192.0.2.1", "2001:db8::1"]) pingable(out.namespace, address);
    for (const { address } of result.ips ?? []) pingable(far.namespace, address);
    await succeed(host, { verb: "CHECK", container: out, config: withResult(config, result) });
    await succeed(host, { verb: "DEL", container: more, config: lan });
    await succeed(host, { verb: "DEL", container: out, config });
    await first.stop();
    await second.stop();
  });

  test("has its pods follow when packets of its uplink become shorter, and longer again", async () => {
    const { nodes, start, store } = twoNodes(hosts);
    const [first, second] = await start(agents, { mode: "vxlan" });
    const [{ host }, { host: other }] = nodes;
    const far = hosts.container("far");
    const near = hosts.container("near");
    await succeed(other, { verb: "ADD", container: far, config: NETWORK });
    const result = await succeed(host, { verb: "ADD", container: near, config: NETWORK });
    const mtus = () =>
      [near, far].map(({ namespace }) => namespace.json<{ mtu: number }>("ip -j link show eth0")[0]?.mtu);
    expect(mtus()).toEqual([1450, 1450]);
    for (const [uplink, pods] of [
      [1400, 1350],
      [1500, 1450],
    ] as const) {
      for (const { netns } of [host, other]) netns.sh(`ip link set up0 mtu ${uplink}`);
      await until(`pods have an MTU of ${pods}`, () => mtus().every((mtu) => mtu === pods), first);
      await until("it is published", async () => (await published(store, "node1"))?.mtu === pods, first);
      await succeed(host, { verb: "CHECK", container: near, config: withResult(NETWORK, result) });
      expect((await first.status()).mtu).toBe(pods);
      const late = hosts.container(`late${uplink}`);
      await succeed(host, { verb: "ADD", container: late, config: NETWORK });
      expect(late.namespace.json<{ mtu: number }>("ip -j link show eth0")[0]?.mtu).toBe(pods);
      await succeed(host, { verb: "DEL", container: late, config: NETWORK });
    }
    await first.stop();
    await second.stop();
  });

  test("is reached at its new address when it has got another one", async () => {
    const { nodes, start, store } = twoNodes(hosts);
    const [first, second] = await start(agents, { mode: "vxlan" });
    const [{ host }, { host: other }] = nodes;
    const near = hosts.container("near");
    const far = hosts.container("far");
    const { ips = [] } = await succeed(host, { verb: "ADD", container: near, config: NETWORK });
    await succeed(other, { verb: "ADD", container: far, config: NETWORK });
    for (const { address } of ips) pingable(far.namespace, address);
    host.netns.sh(`ip address add 192.0.2.77/24 dev up0 && ip address del 192.0.2.1/24 dev up0
      ip address flush dev up0 scope global && ip address add 192.0.2.77/24 dev up0
      ip route replace default via 192.0.2.2`);
    await until(
      "it is published",
      async () => String((await published(store, "node1"))?.addresses) === "192.0.2.77/24",
      first,
    );
    await until("the other sends there", () =>
      other.netns.sh("bridge fdb show dev tendril.vxlan").includes("192.0.2.77"),
    );
    await second.knowsPeers(1);
    for (const { address } of ips) pingable(far.namespace, address);
    await first.stop();
    await second.stop();
  });

  test("loses its ways to one that has been cleaned up", async () => {
    const { nodes, config, start } = twoNodes(hosts);
    const [first, second] = await start(agents, { mode: "vxlan" });
    const [{ host }, node] = nodes;
    expect(host.netns.sh("ip route show proto 84")).not.toBe("");
    await second.stop();
    expect(await agents.run(node.host, ["cleanup"], { config: config(node, { mode: "vxlan" }) })).toMatchObject({
      status: 0,
    });
    await until(
      "its ways are gone",
      () => host.netns.sh("ip route show proto 84; ip -6 route show proto 84") === "",
      first,
    );
    expect((await first.status()).peers).toEqual([]);
    await first.stop();
  });
});

/** What the agent keeps: its link and what is on it, its routes and its tables. */
async function kept(host: Host): Promise<string[]> {
  const all = await state(host);
  const entries = () => host.netns.sh("bridge fdb show dev tendril.vxlan 2>/dev/null | sort || true");
  const isOurs = (line: string) =>
    /tendril\.vxlan|proto 84|^\t|chain|table/.test(line) && !/^(local|broadcast|anycast|multicast) /.test(line);
  // A link that is made anew has another index.
  return [...all.filter(isOurs).map((line) => line.replace(/^\d+: /, "")), ...entries().split("\n")].sort();
}

test("calls of a network that the agent knows nothing of are served as without it", async () => {
  const { host, ready } = lonely();
  const agent = await ready();
  const container = hosts.container("c1");
  const config: Config = { cniVersion: "1.1.0", name: "lo", type: "loopback" };
  const request: PluginCall = { verb: "ADD", container: { ...container, ifname: "lo" }, config };
  expect((await call(host, request)).status).toBe(0);
  expect((await call(host, { ...request, verb: "DEL" })).status).toBe(0);
  expect(await agent.served("loopback", "ADD")).toBe(1);
  await agent.stop();
});
