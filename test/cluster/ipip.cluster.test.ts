/** Mode ipip, and bgp with tunnels, across a router; where this kernel has no such tunnels, in the virtual machine. */

import { describe, expect } from "bun:test";
import { inNetns } from "../../src/linux/netns.ts";
import { kernelLink } from "../support/kernel.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, program } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { type AgentNode, agentStage, eventually, type Pod, unreached } from "./agents-stage.ts";
import { clusterNeeds } from "./stage.ts";

const stage = agentStage();
expectNothingLeft();
const tunnels = [kernelLink("ipip"), kernelLink("sit")];
const test = needs(...clusterNeeds, ...tunnels, program("ping"));
/** Milliseconds. Where the processor is emulated and shared a minute is soon over. */
const TIMEOUT = 400_000;

/** Of Ethernet, less the header around it. */
const MTU = 1480;

const everybodyReached = (pods: readonly Pod[]) =>
  eventually("every pod reaches every other", async () => unreached(pods, MTU)[0]);

/** The link by which a node sends to a pod, in each family. */
function waysTo({ addresses }: Pod, { host }: AgentNode): string[] {
  return addresses.map((address) => / dev (\S+)/.exec(host.netns.sh(`ip route get ${address}`))?.[1] ?? "");
}

/** The kernel may give each namespace tunnels of its own that lead nowhere. */
async function lastingState({ host }: AgentNode): Promise<string[]> {
  return (await stateOf(host)).filter((line) => !/\b(tunl0|sit0)\b/.test(line));
}

async function endAll(nodes: readonly AgentNode[]): Promise<void> {
  expect(await Promise.all(nodes.map((node) => node.end("SIGTERM")))).toEqual(nodes.map(() => 0));
  await Promise.all(nodes.map((node) => node.cleanUp()));
}

describe("a cluster with IPIP between its subnets", () => {
  test(
    "has everybody reach everybody, also without an agent, and leaves nothing when it is cleaned up",
    async () => {
      const subnets = stage.fresh();
      const [a, b, c] = [subnets.node(1, 1), subnets.node(2, 1), subnets.node(3, 2)];
      const nodes = [a, b, c];
      const before = await Promise.all(nodes.map(lastingState));
      const fields = { mode: "ipip", crossSubnetOnly: true };
      // The second one sends by the tunnel to everybody; the answers come as they come.
      await Promise.all(nodes.map((node) => node.start({ ...fields, crossSubnetOnly: node !== b })));
      const pods = await Promise.all(nodes.map((node) => node.attach(`pod-of-${node.name}`)));
      const [ofA, ofB, ofC] = pods as [Pod, Pod, Pod];
      expect(pods.map(({ addresses }) => addresses.length)).toEqual([2, 2, 2]);
      await everybodyReached(pods);
      expect(waysTo(ofB, a)).toEqual(["eth0", "eth0"]);
      expect(waysTo(ofC, a)).toEqual(["tendril.ipip", "tendril.sit"]);
      expect(waysTo(ofA, c)).toEqual(["tendril.ipip", "tendril.sit"]);
      expect(waysTo(ofA, b)).toEqual(["tendril.ipip", "tendril.sit.lan"]);
      expect(waysTo(ofC, b)).toEqual(["tendril.ipip", "tendril.sit"]);

      const stream = startPings(ofA, ofC.addresses);
      const complete = await lastingState(a);
      expect(await a.end("SIGKILL")).toBe("SIGKILL");
      expectSameState("the agent was killed", await lastingState(a), complete);
      expect(unreached(pods, MTU)).toEqual([]);
      await a.start(fields);
      expectSameState("the agent was started again", await lastingState(a), complete);
      expect(unreached(pods, MTU)).toEqual([]);
      expect(await stream.lost()).toEqual([0, 0]);

      await b.detach(ofB);
      await endAll(nodes);
      for (const [i, node] of nodes.entries()) {
        expectSameState(`${node.name} was cleaned up`, await lastingState(node), before[i] ?? []);
      }
    },
    TIMEOUT,
  );
});

describe("a cluster with BGP and tunnels between its subnets", () => {
  const test = needs(...clusterNeeds, ...tunnels, program("bird"));

  test(
    "has everybody reach everybody by the routes that BIRD learns",
    async () => {
      const subnets = stage.fresh();
      const nodes = [subnets.node(1, 1), subnets.node(2, 2)] as const;
      const before = await Promise.all(nodes.map(lastingState));
      // BIRD finds no way into a tunnel for IPv6: see docs/modes/bgp.md.
      const fields = { mode: "bgp", bgp: { tunnel: "ipip" }, subnet: ["10.244.0.0/16"] };
      await Promise.all(nodes.map((node) => node.start(fields)));
      const pods = await Promise.all(nodes.map((node) => node.attach(`pod-of-${node.name}`)));
      const [, ofB] = pods as [Pod, Pod];
      await everybodyReached(pods);
      expect(waysTo(ofB, nodes[0])).toEqual(["tendril.ipip"]);
      expect(nodes[0].host.netns.sh("ip route show dev tendril.ipip proto bird")).not.toBe("");
      await endAll(nodes);
      for (const [i, node] of nodes.entries()) {
        expectSameState(`${node.name} was cleaned up`, await lastingState(node), before[i] ?? []);
      }
    },
    TIMEOUT,
  );
});

/** Asks for answers ten times a second until the number of lost ones is wanted, for each address. */
function startPings({ container }: Pod, addresses: readonly string[]) {
  const children = addresses.map((address) =>
    inNetns(container.namespace.netns, () =>
      Bun.spawn(["ping", "-n", "-i", "0.1", address], { stdout: "pipe", stderr: "ignore" }),
    ),
  );
  return {
    lost: () =>
      Promise.all(
        children.map(async (child) => {
          child.kill("SIGINT");
          const text = await new Response(child.stdout).text();
          const [, sent = "0"] = /(\d+) packets transmitted/.exec(text) ?? [];
          const answered = text.match(/icmp_seq=\d+ ttl/g)?.length ?? 0;
          expect(Number(sent)).toBeGreaterThan(5);
          // The last one may be on its way when the signal comes.
          return Math.max(Number(sent) - 1 - answered, 0);
        }),
      ),
  };
}
