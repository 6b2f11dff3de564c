/** `tendril trace` from anywhere: the agents of a cluster in Kubernetes tell their parts of the way. */

import { TendrilError } from "../core/errors.ts";
import { familyOf, formatIp, parseIp } from "../core/ip.ts";
import { traceAcross } from "../trace/across.ts";
import type { Trace } from "../trace/trace.ts";
import type { Agents } from "./agents.ts";
import { type StoreChoice, withCluster } from "./cluster-access.ts";
import { type ClusterDocuments, clusterOf, readDocuments } from "./trace-cluster.ts";
import { type Ends, type FoundEnd, pairsOf } from "./trace-ends.ts";
import { askPart } from "./trace-part.ts";

/** Each family's way, as the kernels of the nodes on it have it. Throws TendrilError. */
export async function traceByAgents(agents: Agents, { from, to, port }: Ends, choice: StoreChoice): Promise<Trace[]> {
  const documents = await withCluster(choice, readDocuments);
  const [source, target] = await Promise.all([from, to].map((end) => findInCluster(end, agents, documents)));
  const traces: Trace[] = [];
  for (const [first, last] of pairsOf(source as FoundEnd, target as FoundEnd)) {
    if (first.node === undefined) {
      throw new TendrilError(`"${from}" is no pod of the cluster`, { details: "Name it as NAMESPACE/NAME." });
    }
    const question = {
      from: { ...first, node: first.node },
      to: last,
      ...(port !== undefined && { port }),
      cluster: (self: string) => clusterOf(documents, self),
      addressOf: (node: string, family: 4 | 6) =>
        documents.nodes
          .get(node)
          ?.addresses.map((own) => own.split("/")[0] ?? own)
          .find((own) => familyOf(own) === family),
      ask: askPart.bind(undefined, agents),
    };
    traces.push(await traceAcross(question));
  }
  return traces;
}

/** A pod, or an address with the node that has it by the documents. Throws TendrilError. */
async function findInCluster(end: string, agents: Agents, documents: ClusterDocuments): Promise<FoundEnd> {
  const ip = parseIp(end);
  if (ip === undefined) return await agents.pod(end);
  const address = formatIp(ip);
  const node = clusterOf(documents, undefined).ownerOf(address)?.name;
  return { name: address, addresses: [address], ...(node !== undefined && { node }) };
}
