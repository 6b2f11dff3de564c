/** From pod to pod over two nodes: by an agent's ways, and by the same ways made by hand. */

import { join } from "node:path";
import { inNetns, openNetns } from "../../src/linux/netns.ts";
import { addChain } from "../chain.ts";
import { clusterChain, type FabricHost, makeCluster, makeFabric } from "../cluster.ts";
import { makePods, type Pod, shell } from "../host.ts";
import { type Bench, type Comparison, interleave, type Measurement, type Sample } from "../measurement.ts";
import { type Target, TRANSFER_BYTES, transfer } from "../traffic.ts";

const MODES = ["host-gw", "vxlan"] as const;
type Mode = (typeof MODES)[number];

const PORT = 5001;
/** Bytes of a packet of the link between the nodes, and what the tunnel takes of them. */
const LINK_MTU = 1500;
const OVERHEAD: Readonly<Record<Mode, number>> = { "host-gw": 0, vxlan: 50 };

interface Road {
  readonly target: Target;
  readonly samples: Sample[];
}

export const modeTraffic: Measurement = {
  about: `${TRANSFER_BYTES >> 20} MiB from pod to pod over two nodes, against the same way made by hand with ip(8)`,
  async run(bench) {
    const sinks: Bun.Subprocess[] = [];
    try {
      const comparisons: Comparison[] = [];
      for (const mode of MODES) {
        const ours = await roadTo(sinks, await byAgents(bench, mode));
        const byHand = await roadTo(sinks, handMade(bench, mode));
        interleave(
          bench.rounds,
          [ours, byHand].map(({ target, samples }) => (counts) => {
            const sample = transfer(target);
            if (counts) samples.push(sample);
          }),
        );
        comparisons.push({
          what: `${TRANSFER_BYTES >> 20} MiB from pod to pod, ${mode}`,
          measured: { name: bench.resident.name, samples: ours.samples },
          against: { name: "by hand", samples: byHand.samples },
          goal: 1 / 0.97,
        });
      }
      return comparisons;
    } finally {
      for (const sink of sinks) sink.kill();
      await Promise.all(sinks.map(({ exited }) => exited));
    }
  },
};

/** Two pods that reach each other. */
interface Ends {
  readonly from: Pod;
  readonly to: Pod;
  /** Of the latter. */
  readonly address: string;
}

async function byAgents(bench: Bench, mode: Mode): Promise<Ends> {
  const { nodes } = await makeCluster(bench.resident, { mode, nodes: 2 });
  const [from, to] = makePods(2) as [Pod, Pod];
  const [, address] = [from, to].map((pod, i) => {
    const host = nodes[i]?.host;
    if (host === undefined) throw new Error("There is no node");
    const { result } = addChain({ host, chain: clusterChain(), pod, number: i });
    const [ip] = (result as { ips: readonly { address: string }[] }).ips;
    return ip?.address.split("/")[0] ?? "";
  });
  await untilReached(from, address ?? "");
  return { from, to, address: address ?? "" };
}

/** The other node hears of a block after the pod has its address. */
async function untilReached({ netns }: Pod, address: string): Promise<void> {
  const from = openNetns(netns);
  const deadline = performance.now() + 10_000;
  while (inNetns(from, () => Bun.spawnSync(["ping", "-c1", "-W1", address]).exitCode) !== 0) {
    if (performance.now() > deadline) throw new Error(`${address} is not reached`);
    await Bun.sleep(50);
  }
}

/** The same as the plugin and an agent make, but for rules. */
function handMade(bench: Bench, mode: Mode): Ends {
  const hosts = makeFabric(bench.ours, 2);
  const [from, to] = makePods(2) as [Pod, Pod];
  for (const [i, pod] of [from, to].entries()) {
    const { host } = hosts[i] as FabricHost;
    const other = hosts[1 - i] as FabricHost;
    const mtu = LINK_MTU - OVERHEAD[mode];
    shell(host, "echo 1 > /proc/sys/net/ipv4/ip_forward");
    shell(host, `ip link add pod0 mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${pod.id}`);
    shell(host, `ip address add 169.254.1.1/32 dev pod0 && ip link set pod0 up`);
    shell(host, `ip route add ${addressOn(i)}/32 dev pod0`);
    const inside = { netns: openNetns(pod.netns) };
    shell(inside, `ip link set eth0 up && ip address add ${addressOn(i)}/32 dev eth0`);
    shell(inside, "ip route add 169.254.1.1 dev eth0 && ip route add default via 169.254.1.1 dev eth0");
    if (mode === "host-gw") {
      shell(host, `ip route add ${networkOf(1 - i)} via ${other.address}`);
      continue;
    }
    shell(
      host,
      `ip link add tun0 address ${macOf(i)} mtu ${mtu} type vxlan id 1 dstport 4789 local ${hosts[i]?.address} nolearning`,
    );
    shell(host, `ip address add 10.246.${i}.0/32 dev tun0 && ip link set tun0 up`);
    const gateway = `10.246.${1 - i}.0`;
    shell(host, `ip neighbour add ${gateway} lladdr ${macOf(1 - i)} dev tun0`);
    shell(host, `bridge fdb append ${macOf(1 - i)} dev tun0 dst ${other.address}`);
    shell(host, `ip route add ${networkOf(1 - i)} via ${gateway} dev tun0 onlink`);
  }
  return { from, to, address: addressOn(1) };
}

function networkOf(node: number): string {
  return `10.246.${node}.0/26`;
}

function addressOn(node: number): string {
  return `10.246.${node}.2`;
}

function macOf(node: number): string {
  return `02:00:00:00:00:0${node + 1}`;
}

/** Has a sink in the pod that is reached. */
async function roadTo(sinks: Bun.Subprocess[], { from, to, address }: Ends): Promise<Road> {
  const command = [process.execPath, join(import.meta.dir, "../sink.ts"), to.netns, String(PORT)];
  const sink = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  sinks.push(sink);
  await sink.stdout.getReader().read();
  return { target: { from: openNetns(from.netns), address, port: PORT }, samples: [] };
}
