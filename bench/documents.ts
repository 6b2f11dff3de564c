/** Documents of nodes that are not there, as their agents would write them. */

import type { clusterStore } from "../src/cluster/cluster-store.ts";
import { DOCUMENT_VERSION } from "../src/core/cluster.ts";

type Documents = ReturnType<typeof clusterStore>;

/** The network of all blocks; that of a Kubernetes' services is beside it. */
export const POOL = "10.128.0.0/9";

/** A node with a block, in the fabric's own network and never heard of. */
export async function addNode(store: Documents, number: number): Promise<void> {
  const name = nodeName(number);
  await store.nodes.create(name, {
    version: DOCUMENT_VERSION,
    addresses: [`172.20.${1 + (number >> 8)}.${number & 0xff}/16`],
    tunnelMac: `02:00:00:00:${hex(number >> 8)}:${hex(number)}`,
    mtu: 1450,
    modes: ["vxlan"],
    labels: {},
    epoch: 1,
  });
  await store.heartbeats.create(name, { version: DOCUMENT_VERSION, incarnation: "bench", beats: 1 });
  await addBlock(store, number, number);
}

/** A block of such a node; each number stands for one of {@link POOL}. */
export async function addBlock(store: Documents, node: number, block: number): Promise<void> {
  const cidr = `10.${128 + (block >> 10)}.${(block >> 2) & 0xff}.${(block & 3) << 6}/26`;
  await store.blocks.create(cidr.replace("/", "-"), {
    version: DOCUMENT_VERSION,
    pool: "default",
    cidr,
    node: nodeName(node),
    epoch: 1,
    offered: [],
    lent: {},
  });
}

function nodeName(number: number): string {
  return `node${number}`;
}

function hex(number: number): string {
  return (number & 0xff).toString(16).padStart(2, "0");
}
