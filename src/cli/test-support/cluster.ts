/** A cluster's documents in a directory store of their own, taken away after the tests of a file. */

import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClusterStore, clusterStore } from "../../cluster/cluster-store.ts";
import type { BlockRecord, NodeRecord, PoolRecord } from "../../core/cluster.ts";
import { cidrOf } from "../../core/cluster.ts";
import { blockName } from "../../ipam/cluster/blocks.ts";
import { openStore } from "../../store/open.ts";

export interface TestCluster extends ClusterStore {
  readonly url: string;
  addNode(name: string, fields?: Partial<NodeRecord>): Promise<void>;
  addPool(name: string, fields?: Partial<PoolRecord>): Promise<void>;
  addBlock(cidr: string, node: string, fields?: Partial<BlockRecord>): Promise<void>;
}

export function testClusters(): { fresh(): TestCluster } {
  const disposals: (() => Promise<void>)[] = [];
  afterAll(async () => {
    for (const dispose of disposals) await dispose();
  });
  return {
    fresh() {
      const folder = mkdtempSync(join(tmpdir(), "tendril-cli-"));
      const url = `dir:${folder}`;
      const store = openStore(url);
      disposals.push(async () => {
        await store.close();
        rmSync(folder, { recursive: true });
      });
      const cluster = clusterStore(store, (sentence) => {
        throw new Error(sentence);
      });
      return {
        ...cluster,
        url,
        async addNode(name, fields) {
          const beat = { version: 1, incarnation: "i", beats: 1 } as const;
          await cluster.heartbeats.create(name, beat);
          const node: NodeRecord = { version: 1, addresses: [], modes: [], labels: {}, epoch: 1, ...fields };
          await cluster.nodes.create(name, node);
        },
        async addPool(name, fields) {
          await cluster.pools.create(name, {
            version: 1,
            cidrs: ["10.244.0.0/16"],
            blockBits: { ipv4: 26, ipv6: 122 },
            nodeSelector: {},
            excluded: [],
            masquerade: true,
            ...fields,
          });
        },
        async addBlock(cidr, node, fields) {
          const block = { version: 1, pool: "default", cidr, node, epoch: 1, offered: [], lent: {} } as const;
          await cluster.blocks.create(blockName(cidrOf(cidr)), { ...block, ...fields });
        },
      };
    },
  };
}
