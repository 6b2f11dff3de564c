/** The cluster of a file of tests. */

import { afterAll, expect } from "bun:test";
import { kubernetesPrograms } from "./built.ts";
import { type Cluster, type ClusterOptions, startCluster } from "./cluster.ts";
import { traces } from "./down.ts";

/** `name` is made unlike that of other runs. */
export type TestClusterOptions = Omit<ClusterOptions, "programs" | "keep">;

/** Two nodes on one link, and a third one beyond the router. */
export const THREE_NODES: ClusterOptions["nodes"] = [
  { name: "node1", subnet: "rack1" },
  { name: "node2", subnet: "rack1" },
  { name: "node3", subnet: "rack2" },
];

/**
 * Gives a cluster for the tests of one file, started when it is first asked for, and taken down after the last of them
 * with nothing left. To be called before what compares the machine before and after, for that is done in the same order.
 */
export function testCluster({ name, ...options }: TestClusterOptions): () => Promise<Cluster> {
  const own = `${name}${process.pid}`;
  let started: Promise<Cluster> | undefined;
  afterAll(async () => {
    await (await started)?.stop();
    expect(traces(own)).toEqual([]);
  });
  return () => {
    started ??= startCluster({ ...options, name: own, programs: kubernetesPrograms });
    return started;
  };
}
