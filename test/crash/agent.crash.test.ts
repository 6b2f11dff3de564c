/**
 * The agent is killed after every single step of the calls that it serves, and so is the plugin's process while it
 * waits: what a runtime does then leaves nothing behind.
 */

import { beforeAll, describe, expect } from "bun:test";
import { type AgentOptions, type RunningAgent, testAgents } from "../support/agent.ts";
import { hostLocal, V4, V6 } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, program, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  type Config,
  call,
  expectBuilt,
  type Host,
  type PluginCall,
  start,
  succeed,
  testHosts,
  withResult,
  withValid,
} from "../support/plugin-calls.ts";
import { seededRandom } from "../support/random.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
const agents = testAgents();
expectNothingLeft();
const test = needs(root, program("ip"));

/** The codes of TryAgainError and ConflictError: there is no agent to give addresses; the ADD had been completed. */
const TRY_AGAIN = 11;
const CONFLICT = 103;

interface Case {
  readonly name: string;
  readonly agent?: (host: Host) => AgentOptions["config"];
  readonly chain: (host: Host) => readonly Config[];
  /** So many steps the chain's ADDs and DELs have at least. */
  readonly steps: { readonly add: number; readonly del: number };
}

/** After so many steps it is looked for what is left; it takes as long as all the rest. */
const LOOK = 8;

const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }];

const cases: readonly Case[] = [
  {
    name: "a chain of bridge and portmap",
    chain: (host) => [
      {
        cniVersion: "1.1.0",
        name: "net",
        type: "bridge",
        bridge: "br0",
        isDefaultGateway: true,
        ipMasq: true,
        ipam: hostLocal(host, V4, V6),
      },
      { cniVersion: "1.1.0", name: "net", type: "portmap", runtimeConfig: { portMappings } },
    ],
    steps: { add: 20, del: 6 },
  },
  {
    name: "tendril with host-local",
    chain: (host) => [
      {
        cniVersion: "1.1.0",
        name: "net",
        type: "tendril",
        ipMasq: true,
        runtimeConfig: { portMappings },
        ipam: hostLocal(host, V4, V6),
      },
    ],
    steps: { add: 10, del: 3 },
  },
  {
    name: "tendril with the cluster's addresses",
    agent: (host) => ({
      node: "node1",
      network: "net",
      store: `dir:${host.path("store")}`,
      mode: "vxlan",
      subnet: ["10.77.0.0/16", "fd77::/64"],
      addresses: ["192.0.2.1/24", "2001:db8::1/64"],
      coolDown: 1,
      metrics: "off",
    }),
    chain: () => [{ cniVersion: "1.1.0", name: "net", type: "tendril", runtimeConfig: { portMappings } }],
    steps: { add: 10, del: 3 },
  },
];

for (const each of cases) {
  const isCluster = each.agent !== undefined;

  /** A host, a container, and what a runtime calls for it. */
  function stage() {
    const host = hosts.fresh();
    host.netns.sh(
      "ip link add up0 type veth peer name far0 && ip link set far0 up && ip link set up0 up && " +
        "ip address add 192.0.2.1/24 dev up0 && ip address add 2001:db8::1/64 dev up0 nodad",
    );
    const { namespace, ...first } = hosts.container("c0");
    const chain = each.chain(host);
    let container = first;
    let count = 0;
    let prevResult: unknown;
    const request = (verb: PluginCall["verb"], config: Config): PluginCall => ({
      verb,
      container,
      config: prevResult === undefined ? config : withResult(config, prevResult),
    });
    return {
      host,
      async agent(options: AgentOptions = {}): Promise<RunningAgent> {
        const agent = await agents.start(host, { config: each.agent?.(host), ...options });
        if (isCluster) await agent.ready();
        return agent;
      },
      /** What comes is for another container, so that whatever one has left stays to be seen. */
      next(): void {
        container = { ...first, id: `c${++count}` };
      },
      /** ADD of the chain up to the first that fails. The code of its error, or 0. */
      async add(): Promise<number> {
        for (const config of chain) {
          const { status, answer } = await call(host, request("ADD", config));
          if (status !== 0) return (answer as { code: number }).code;
          prevResult = answer;
        }
        return 0;
      },
      async check(): Promise<void> {
        for (const config of chain) await succeed(host, request("CHECK", config));
      },
      async del(): Promise<void> {
        for (const config of chain.toReversed()) await succeed(host, request("DEL", config));
        prevResult = undefined;
      },
      async collect(): Promise<void> {
        for (const config of chain) await succeed(host, { verb: "GC", config: withValid(config, []) });
      },
      startAdd: () => start(host, request("ADD", chain[0] as Config)),
      /** Without the mark that our table was missed once, which the first to find it there takes away. */
      state: async () => (await stateOf(host, [namespace])).filter((line) => !/\/missed-table/.test(line)),
    };
  }

  type Stage = ReturnType<typeof stage>;

  /** What a node is like when an agent has looked after it, and nobody has any address. */
  async function settled({ agent, state }: Stage): Promise<string[]> {
    if (!isCluster) return await state();
    const running = await agent();
    expect((await running.status()).pods).toEqual([]);
    await running.stop();
    return await state();
  }

  describe.concurrent(each.name, () => {
    test("an agent killed after any step of ADD leaves nothing once DEL and GC have come", async () => {
      const node = stage();
      const before = await settled(node);
      let kills = 0;
      for (let step = 1; ; step++) {
        node.next();
        const agent = await node.agent({ killAfter: step });
        const code = await node.add();
        const isKilled = await isGone(agent);
        if (isKilled) kills++;
        else await agent.stop();
        const looks = !isKilled || step % LOOK === 0;
        if (code === 0 && looks && !isCluster) await node.check();
        // Without an agent there are no addresses; one that died at the end had done all, but told nobody.
        if (code !== 0) expect({ step, isKilled, code }).toEqual({ step, isKilled: true, code: expected(code) });
        await node.del();
        if (!looks) continue;
        await node.collect();
        expectSameState(`agent killed after step ${step} of ADD, DEL, GC`, await settled(node), before);
        if (!isKilled) break;
      }
      expect(kills).toBeGreaterThanOrEqual(each.steps.add);
    });

    test("an agent killed after any step of DEL leaves nothing", async () => {
      const node = stage();
      const before = await settled(node);
      let kills = 0;
      for (let step = 1; ; step++) {
        node.next();
        const first = await node.agent();
        expect(await node.add()).toBe(0);
        await first.stop();
        const agent = await node.agent({ killAfter: step });
        await node.del();
        const isKilled = await isGone(agent);
        if (isKilled) kills++;
        else await agent.stop();
        if (isKilled && step % LOOK !== 0) continue;
        await node.collect();
        expectSameState(`agent killed after step ${step} of DEL, GC`, await settled(node), before);
        if (!isKilled) break;
      }
      expect(kills).toBeGreaterThanOrEqual(each.steps.del);
    });

    test("a plugin's process killed at any time leaves nothing once DEL has come", async () => {
      const node = stage();
      const before = await settled(node);
      const agent = await node.agent();
      const random = seededRandom(`kills of plugins of ${each.name}`);
      for (let round = 0; round < 10; round++) {
        node.next();
        const { process, outcome } = node.startAdd();
        await Bun.sleep(random.below(30));
        process.kill("SIGKILL");
        await outcome;
        await node.del();
        await node.collect();
        if (isCluster) expect((await agent.status()).pods).toEqual([]);
      }
      await agent.stop();
      expectSameState("plugin killed, DEL, GC", await settled(node), before);
    });
  });

  function expected(code: number): number {
    return isCluster && code === TRY_AGAIN ? TRY_AGAIN : CONFLICT;
  }
}

/** The kernel tells of a process's end some time after it has closed its connections. */
async function isGone(agent: RunningAgent): Promise<boolean> {
  const ask = () =>
    agent.status().then(
      () => false,
      () => true,
    );
  if (!(await ask())) return false;
  expect(await agent.ended()).toBe("SIGKILL");
  return true;
}

test("links that a killed agent had marked for deletion are deleted by the next one", async () => {
  const host = hosts.fresh();
  const group = 0x74656e64;
  host.netns.sh(`ip link add old0 type veth peer name old1 && ip link set old0 group ${group}`);
  host.netns.sh("ip link add other0 type veth peer name other1 && ip link set other0 group 7");
  const agent = await agents.start(host);
  await succeed(host, { verb: "STATUS", config: { cniVersion: "1.1.0", name: "net", type: "loopback" } });
  expect(host.netns.sh("ip -o link")).not.toContain("old0");
  expect(host.netns.sh("ip -o link")).toContain("other0");
  await agent.stop();
});
