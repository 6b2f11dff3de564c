import { clusterChain, makeCluster, writesOf } from "../cluster.ts";
import { makePods } from "../host.ts";
import { count, type Measurement } from "../measurement.ts";
import { type BurstContender, burstContender, compareBursts, runBursts } from "./burst.ts";

const NODES = 3;
const PODS = 200;

/** Kinds of documents that an address may have to do with; the others are about the nodes themselves. */
const KINDS = ["blocks", "pools", "reservations"];

export const clusterBurst: Measurement = {
  about: `${PODS} ADDs started at once over ${NODES} nodes of a cluster, then ${PODS} DELs; and what is written for them`,
  async run(bench) {
    const { nodes, store } = await makeCluster(bench.resident, { nodes: NODES });
    const single = await makeCluster(bench.resident);
    const [three, one] = [nodes, single.nodes].map((each) =>
      burstContender(
        `${each.length} agents`,
        each.map(({ host }) => host),
        clusterChain(),
      ),
    ) as [BurstContender, BurstContender];
    const pods = makePods(PODS);
    const before = written(store);
    // The first ones claim the blocks.
    await runBursts(1, pods, [three]);
    const writes = written(store) - before;
    await runBursts(Math.max(3, Math.ceil(bench.rounds / 20)), pods, [three, one]);
    return [
      ...compareBursts(`${PODS} {} at once over ${NODES} nodes`, three, one),
      {
        what: `documents written for the first ${PODS} addresses, a number`,
        measured: count("written", writes),
        against: count("addresses", PODS),
        goal: 1 / 32,
      },
    ];
  },
};

function written(store: string): number {
  const writes = writesOf(store);
  return KINDS.reduce((sum, kind) => sum + (writes.get(kind) ?? 0), 0);
}
