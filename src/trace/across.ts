/** A packet's way over several nodes, put together of what each of them tells of its part. */

import { TendrilError } from "../core/errors.ts";
import { type Family, familyOf } from "../core/ip.ts";
import type { Hop, Leg, NodeHop } from "./hop.ts";
import { firstWrong, judgeHop, judgeLeg } from "./judge.ts";
import { nodeHop } from "./node-hop.ts";
import type { PartQuestion, Place, Trace } from "./trace.ts";
import type { Arrival, Cluster } from "./walk.ts";

/** An end in the cluster; `node` is that of a pod. */
export interface ClusterPlace extends Omit<Place, "netns"> {
  readonly node?: string;
}

export interface AcrossQuestion {
  readonly from: ClusterPlace & { readonly node: string };
  readonly to: ClusterPlace;
  /** Of TCP; without one the packet is a ping. */
  readonly port?: number;
  /** What the cluster's documents say, to a node. */
  readonly cluster: (self: string) => Cluster;
  /** A node's address in the fabric. */
  readonly addressOf: (node: string, family: Family) => string | undefined;
  /** Throws TendrilError when the node cannot tell. */
  readonly ask: (question: PartQuestion) => Promise<readonly Hop[]>;
}

/** There, and back when it has arrived. Throws TendrilError when the first node cannot tell. */
export async function traceAcross(question: AcrossQuestion): Promise<Trace> {
  const { from, to } = question;
  const there = await follow(question, from, to, false);
  const end = there.hops.at(-1);
  const node = to.node ?? there.node;
  const legs = end?.kind === "destination" ? [there, await follow(question, { ...to, node }, from, true)] : [there];
  const judged = legs.map(({ node: _, ...leg }) => judgeLeg(leg));
  const wrong = firstWrong(judged);
  return { legs: judged, ...(wrong !== undefined && { wrong }) };
}

/** One direction, with the node that it ends on. */
async function follow(
  question: AcrossQuestion,
  from: ClusterPlace & { readonly node: string },
  to: ClusterPlace,
  isAnswer: boolean,
): Promise<Leg & { readonly node: string }> {
  const { port, cluster, ask } = question;
  const hops: Hop[] = [];
  const seen = new Set<string>();
  let { node } = from;
  let arrival: Arrival | undefined;
  for (;;) {
    seen.add(node);
    const more = { ...(port !== undefined && { port }), ...(arrival !== undefined && { arrival }) };
    const asked: PartQuestion = { node, from: placeOf(from), to: placeOf(to), isAnswer, ...more };
    try {
      const part = await ask(asked);
      hops.push(...part.map((hop) => (hop.kind === "node" ? nodeHop(cluster(hop.where), hop) : hop)));
    } catch (error) {
      if (hops.length === 0 || !(error instanceof TendrilError)) throw error;
      hops.push({ kind: "unread", where: node, why: error.message });
    }
    const next = nextOf(question, node, hops.at(-1));
    if (next === undefined || seen.has(next.node)) break;
    ({ node, arrival } = next);
  }
  return { node, from: from.name, to: to.name, source: from.address, destination: to.address, hops };
}

function placeOf({ name, address }: ClusterPlace): Place {
  return { name, address };
}

/** The node that a packet goes on to, and how it comes there; none where it goes wrong, or where that cannot be told. */
function nextOf(
  { addressOf }: AcrossQuestion,
  node: string,
  last: Hop | undefined,
): { readonly node: string; readonly arrival: Arrival } | undefined {
  if (last?.kind !== "node" || judgeHop(last).state !== "ok") return undefined;
  const { leadsTo, owner, remote, tunnel, byBgp }: NodeHop = last;
  if (remote === undefined) return undefined;
  // By routers, of which nobody here tells, it comes to the node whose it is.
  const next = leadsTo ?? (byBgp ? owner?.name : undefined);
  if (next === undefined) return undefined;
  const sender = addressOf(node, familyOf(remote));
  const receiver = leadsTo === undefined ? addressOf(next, familyOf(remote)) : remote;
  if (sender === undefined || receiver === undefined) return undefined;
  return { node: next, arrival: { sender, receiver, ...(tunnel !== undefined && { tunnel }) } };
}
