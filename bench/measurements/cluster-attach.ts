import { compare, contenderOn } from "../attachment.ts";
import { bridgeChain } from "../chains.ts";
import { clusterChain, makeCluster } from "../cluster.ts";
import { makePods } from "../host.ts";
import { type Bench, interleave, type Measurement } from "../measurement.ts";
import { burstContender, compareBursts, runBursts } from "./burst.ts";

const AT_ONCE = 100;

/** The plugin by itself has its addresses of a file, as it has them of the cluster with an agent. */
const alone = clusterChain({ ipam: { type: "host-local", ranges: [[{ subnet: "10.245.0.0/16" }]] } });

export const clusterAttach: Measurement = {
  about: `the cluster's plugin by its node's agent, against itself without one and the peer's bridge; then ${AT_ONCE} at once`,
  async run(bench: Bench) {
    const { nodes } = await makeCluster(bench.resident);
    const [node] = nodes;
    const [pod, ...pods] = makePods(1 + AT_ONCE);
    if (node === undefined || pod === undefined) throw new Error("There is no node");
    const resident = contenderOn(node.host, pod, clusterChain());
    const ours = contenderOn(bench.host(bench.ours), pod, alone);
    const peerHost = bench.host(bench.peer);
    const peer = contenderOn(peerHost, pod, bridgeChain());
    interleave(
      bench.rounds,
      [resident, ours, peer].map(({ once }) => once),
    );
    const many = burstContender(resident.name, [node.host], clusterChain());
    const manyPeers = burstContender(peer.name, [peerHost], bridgeChain());
    await runBursts(Math.max(3, Math.ceil(bench.rounds / 8)), pods, [many, manyPeers]);
    return [
      ...compare("cluster's plugin", resident, ours, { add: 1.3 }),
      ...compare("cluster's plugin, bridge:", resident, peer, { add: 1 }),
      ...compareBursts(`${AT_ONCE} {} of the cluster's plugin, bridge's`, many, manyPeers, { del: 0.2 }),
    ];
  },
};
