/** What the cluster's documents say of an address: whose node it is. */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import { cidrContains } from "../core/cidr.ts";
import { type BlockRecord, cidrOf, NOBODY, type NodeRecord, type PoolRecord } from "../core/cluster.ts";
import { parseIp } from "../core/ip.ts";
import type { Cluster } from "../trace/walk.ts";
import { isOfPool } from "./pool-changes.ts";

export interface ClusterDocuments {
  readonly nodes: ReadonlyMap<string, NodeRecord>;
  readonly blocks: readonly BlockRecord[];
  readonly pools: readonly PoolRecord[];
}

/** Throws StoreUnavailableError. */
export async function readDocuments({ nodes, blocks, pools }: ClusterStore): Promise<ClusterDocuments> {
  const values = <T>(documents: ReadonlyMap<string, { readonly value: T }>) =>
    [...documents.values()].map(({ value }) => value);
  return {
    nodes: new Map([...(await nodes.list())].map(([name, { value }]) => [name, value])),
    blocks: values(await blocks.list()),
    pools: values(await pools.list()),
  };
}

/** `self` is the node of this host, where its agent tells. */
export function clusterOf(documents: ClusterDocuments, self: string | undefined): Cluster {
  const { nodes, blocks, pools } = documents;
  const owner = (name: string, prefix: string) => ({ name, prefix, gone: nodes.get(name)?.gone ?? false });
  return {
    ...(self !== undefined && { self }),
    ownerOf(address) {
      const ip = parseIp(address);
      if (ip === undefined) return undefined;
      // The block's document alone says who has an address; a reservation is a wish.
      const block = blocks.find(({ cidr }) => cidrContains(cidrOf(cidr), ip));
      const borrower = block?.lent[address];
      if (borrower !== undefined) return owner(borrower, address);
      const isNobodys = block?.node === NOBODY || block?.reserved?.[address] !== undefined;
      if (block === undefined || isNobodys) return undefined;
      return owner(block.node, block.cidr);
    },
    isOfPods: (address) => pools.some((pool) => isOfPool(pool, address)),
    nodeAt: (address) =>
      [...nodes].find(([, { addresses }]) => addresses.some((own) => own.split("/")[0] === address))?.[0],
  };
}
