/** Configurations that operators of simplecni, minicni and testcni have, as they stand: pods of two nodes talk. */

import { beforeAll, describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { type RunningAgent, testAgents } from "../support/agent.ts";
import { kernelLink } from "../support/kernel.ts";
import { needs, program, root } from "../support/needs.ts";
import { type Config, expectBuilt, succeed, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { twoNodes } from "../support/two-nodes.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
const agents = testAgents();
expectNothingLeft();

interface Case {
  readonly name: string;
  /** The configuration of the node of this number, counted from 1. */
  readonly config: (node: number) => Config;
  readonly links?: readonly ("ipip" | "sit")[];
  readonly program?: string;
  /** The networks out of which pods of each node have their addresses. */
  readonly range: (node: number) => RegExp;
}

const anywhere = /^10\.244\.\d+\.\d+$/;
const testcni = { cniVersion: "0.3.0", name: "testcni", type: "testcni", subnet: "10.244.0.0/16" };

const cases: readonly Case[] = [
  {
    name: "simplecni",
    config: () => ({
      cniVersion: "0.3.0",
      name: "simplecni",
      type: "simplecni",
      bridge: "simplecni0",
      subnet: "10.244.0.0/16",
    }),
    range: () => anywhere,
  },
  {
    name: "minicni, each node with its own range",
    config: (node) => ({
      cniVersion: "0.1.0",
      name: "minicni",
      type: "minicni",
      bridge: "minicni0",
      mtu: 1500,
      subnet: `10.244.${node}.0/24`,
    }),
    range: (node) => new RegExp(`^10\\.244\\.${node}\\.\\d+$`),
  },
  { name: "testcni on a bridge", config: () => ({ ...testcni, bridge: "testcni0" }), range: () => anywhere },
  {
    name: "testcni in mode vxlan",
    config: () => ({ ...testcni, mode: "vxlan", subnet: "10.244.0.0" }),
    range: () => anywhere,
  },
  {
    name: "testcni in mode ipip",
    config: () => ({ ...testcni, mode: "ipip" }),
    links: ["ipip"],
    range: () => anywhere,
  },
];

for (const each of cases) {
  const test = needs(root, program("ip"), program("ping"), ...(each.links ?? []).map((link) => kernelLink(link)));

  describe(each.name, () => {
    test("connects pods of two nodes, and leaves nothing of them", async () => {
      const { nodes, store } = twoNodes(hosts);
      const running: RunningAgent[] = [];
      for (const { name, host, number } of nodes) {
        const path = host.path("net.conf");
        writeFileSync(path, JSON.stringify(each.config(number)));
        const args = ["--from", path, "--store", store, "--node", name];
        running.push(await agents.start(host, { args, config: { heartbeat: 1 } }));
      }
      for (const agent of running) await agent.ready();
      const pods = await Promise.all(
        nodes.flatMap(({ host, number }) =>
          [1, 2].map(async (pod) => {
            const container = hosts.container(`pod${number}${pod}`);
            container.namespace.sh("ip link set lo up");
            const config = each.config(number);
            const result = (await succeed(host, { verb: "ADD", container, config })) as unknown as {
              ips?: { address: string }[];
              ip4?: { ip: string };
            };
            const address = (result.ips?.[0]?.address ?? result.ip4?.ip ?? "").split("/")[0] ?? "";
            expect(address).toMatch(each.range(number));
            return { host, container, config, address };
          }),
        ),
      );
      expect(new Set(pods.map(({ address }) => address)).size).toBe(4);
      for (const agent of running) await agent.knowsPeers(1);
      for (const { container } of pods) {
        for (const { address } of pods) container.namespace.sh(`ping -c 1 -w 10 ${address}`);
        for (const node of ["192.0.2.1", "192.0.2.2"]) container.namespace.sh(`ping -c 1 -w 10 ${node}`);
      }
      for (const { host, container, config } of pods) await succeed(host, { verb: "DEL", container, config });
      for (const [i, agent] of running.entries()) {
        expect((await agent.status()).pods).toEqual([]);
        expect(nodes[i]?.host.netns.sh("ip -o link show type veth")).not.toMatch(/\bveth/);
        await agent.stop();
      }
    });
  });
}
