/** Whose node a packet goes to, and whose it should, by the cluster's documents. Pure. */

import type { NodeHop } from "./hop.ts";
import type { Cluster } from "./walk.ts";

/** What the node's kernel says, with what the documents say of it, where there are any. */
export function nodeHop(
  cluster: Cluster | undefined,
  { where, destination, remote, tunnel, byBgp }: Pick<NodeHop, "where" | "destination" | "remote" | "tunnel" | "byBgp">,
): NodeHop {
  const owner = cluster?.ownerOf(destination);
  const leadsTo = remote === undefined ? undefined : cluster?.nodeAt(remote);
  return {
    kind: "node",
    where,
    destination,
    known: cluster !== undefined,
    outside: cluster !== undefined && owner === undefined && !cluster.isOfPods(destination),
    ...(owner !== undefined && { owner }),
    ...(remote !== undefined && { remote }),
    ...(tunnel !== undefined && { tunnel }),
    ...(leadsTo !== undefined && { leadsTo }),
    ...(byBgp && { byBgp }),
    ...(cluster?.self !== undefined && { self: cluster.self }),
  };
}
