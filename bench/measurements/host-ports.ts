/** Host ports: what an ADD and a connection cost with one of them, and with a thousand on the host. */

import { join } from "node:path";
import { openNetns } from "../../src/linux/netns.ts";
import { type Contender, contenderOn } from "../attachment.ts";
import { addChain, type Chain } from "../chain.ts";
import { type BenchHost, makePods, type Pod, type Side, shell } from "../host.ts";
import { type Bench, type Comparison, interleave, type Measurement, type Sample } from "../measurement.ts";
import { connectOften, type Target, TRANSFER_BYTES, transfer } from "../traffic.ts";

const PORTS = 1000;
const PORTS_OF_POD = 20;
const CONNECTIONS = 1000;
const HOST = "192.0.2.1";
const FIRST_PORT = 10_000;

/** Pod number n has the ports from 20 n on, or one. */
function chainWith(ports: number): Chain {
  return {
    plugins: [
      {
        type: "bridge",
        bridge: "bench0",
        isDefaultGateway: true,
        hairpinMode: true,
        ipam: { type: "host-local", ranges: [[{ subnet: "10.200.0.0/16" }]] },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
    capabilities: (number) => ({
      portMappings: Array.from({ length: ports }, (_, i) => ({
        hostPort: FIRST_PORT + PORTS_OF_POD * number + i,
        containerPort: 80,
        protocol: "tcp",
      })),
    }),
  };
}

/** A host with as many ports as there are to be, and a pod that is not attached yet. */
function hostWith(bench: Bench, side: Side, ports: number): { readonly host: BenchHost; readonly pod: Pod } {
  const host = bench.host(side);
  const [pod, ...others] = makePods(1 + ports / PORTS_OF_POD);
  if (pod === undefined) throw new Error("There is no pod");
  const chain = chainWith(PORTS_OF_POD);
  for (const [i, other] of others.entries()) addChain({ host, chain, pod: other, number: i + 1 });
  return { host, pod };
}

export const hostPorts: Measurement = {
  about: `portmap's ADD of one host port with ${PORTS} others on the host, against that of the first`,
  run(bench) {
    const sides = [bench.ours, bench.peer].map((side) => {
      bench.say(`  ${PORTS} host ports for ${side.name} …`);
      const [few, many] = [0, PORTS].map((ports) => {
        const { host, pod } = hostWith(bench, side, ports);
        return contenderOn(host, pod, chainWith(1), { only: "last" });
      }) as [Contender, Contender];
      return { side, few, many };
    });
    interleave(
      bench.rounds,
      sides.flatMap(({ few, many }) => [few.once, many.once]),
    );
    return sides.map(({ side, few, many }, i) => ({
      what: `ADD of a host port with ${PORTS} others, ${side.name}`,
      measured: { name: `${PORTS + 1} ports`, samples: many.add },
      against: { name: "1 port", samples: few.add },
      ...(i === 0 ? { goal: 1.2 } : {}),
    }));
  },
};

interface Road {
  readonly name: string;
  readonly target: Target;
  readonly connections: Sample[];
  readonly transfers: Sample[];
}

export const hostPortTraffic: Measurement = {
  about: `${CONNECTIONS} connections, and ${TRANSFER_BYTES >> 20} MiB by one, from outside through a host port`,
  async run(bench) {
    const sinks: Bun.Subprocess[] = [];
    try {
      const comparisons: Comparison[] = [];
      for (const ports of [0, PORTS]) {
        const [ours, peer] = (await Promise.all(
          [bench.ours, bench.peer].map((side) => buildRoad(bench, side, ports, sinks)),
        )) as [Road, Road];
        const tasks = [ours, peer].flatMap(({ target, connections, transfers }) => [
          note(connections, () => connectOften(target, CONNECTIONS)),
          ...(ports === 0 ? [note(transfers, () => transfer(target))] : []),
        ]);
        interleave(bench.rounds, tasks);
        comparisons.push(...compareRoads(ours, peer, ports));
      }
      return comparisons;
    } finally {
      for (const sink of sinks) sink.kill();
      await Promise.all(sinks.map(({ exited }) => exited));
    }
  },
};

function note(samples: Sample[], work: () => Sample): (counts: boolean) => void {
  return (counts) => {
    const sample = work();
    if (counts) samples.push(sample);
  };
}

/** As much or more in a time is as much or less time for as much. */
function compareRoads(ours: Road, peer: Road, ports: number): Comparison[] {
  const others = ports === 0 ? "" : `, ${ports} others on the host`;
  const line = (what: string, samplesOf: (road: Road) => Sample[]): Comparison => ({
    what: `${what} through a host port${others}`,
    measured: { name: ours.name, samples: samplesOf(ours) },
    against: { name: peer.name, samples: samplesOf(peer) },
    goal: 1,
  });
  return [
    line(`${CONNECTIONS} connections`, ({ connections }) => connections),
    ...(ports === 0 ? [line(`${TRANSFER_BYTES >> 20} MiB`, ({ transfers }) => transfers)] : []),
  ];
}

/** A pod with a sink, the host port that leads to it, and somebody outside who uses that. */
async function buildRoad(bench: Bench, side: Side, ports: number, sinks: Bun.Subprocess[]): Promise<Road> {
  const { host, pod } = hostWith(bench, side, ports);
  addChain({ host, chain: chainWith(1), pod, number: 0 });
  const [outside] = makePods(1);
  if (outside === undefined) throw new Error("There is nobody outside");
  const from = openNetns(outside.netns);
  shell(host, `ip link add up0 type veth peer name up1 netns ${outside.id}`);
  shell(host, `ip link set up0 up && ip address add ${HOST}/24 dev up0`);
  shell({ ...host, netns: from }, "ip link set up1 up && ip address add 192.0.2.9/24 dev up1");
  const command = [process.execPath, join(import.meta.dir, "../sink.ts"), pod.netns, "80"];
  const sink = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  sinks.push(sink);
  await sink.stdout.getReader().read();
  return { name: side.name, target: { from, address: HOST, port: FIRST_PORT }, connections: [], transfers: [] };
}
