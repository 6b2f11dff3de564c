/** A packet's way from a pod, and that of the answer where the other end is on this host too. */

import type { Hop, Leg } from "./hop.ts";
import { firstWrong, type JudgedHop, type JudgedLeg, judgeLeg } from "./judge.ts";
import { View } from "./view.ts";
import { type Arrival, type Cluster, type End, walk } from "./walk.ts";

/** An end of the way: of a pod of this host the path of its network namespace. */
export interface Place {
  readonly name: string;
  readonly address: string;
  readonly netns?: string;
}

export interface TraceQuestion {
  readonly from: Place & { readonly netns: string };
  readonly to: Place;
  /** Of TCP; without one the packet is a ping. */
  readonly port?: number;
  readonly cluster?: Cluster;
}

export interface Trace {
  /** There, and back. */
  readonly legs: readonly JudgedLeg[];
  /** What stands in the way first. */
  readonly wrong?: JudgedHop;
}

/** Reads the way from the kernel, from the namespace that this thread is in. Throws KernelError, UnknownContainerError. */
export function trace({ from, to, port, cluster }: TraceQuestion): Trace {
  const open: View[] = [];
  const view = (name: string, path?: string) => {
    const opened = new View(name, path);
    open.push(opened);
    return opened;
  };
  try {
    const host = view(cluster?.self ?? "host");
    const source = { ...end(from), view: view(from.name, from.netns) };
    const target = to.netns === undefined ? end(to) : { ...end(to), view: view(to.name, to.netns) };
    const question = { host, cluster, ...(port !== undefined && { port }) };
    const legs: Leg[] = [walk({ ...question, from: source, to: target, isAnswer: false })];
    if (target.view !== undefined && legs[0]?.hops.at(-1)?.kind === "destination") {
      legs.push(walk({ ...question, from: { ...target, view: target.view }, to: source, isAnswer: true }));
    }
    const judged = legs.map(judgeLeg);
    const wrong = firstWrong(judged);
    return { legs: judged, ...(wrong !== undefined && { wrong }) };
  } finally {
    for (const one of open) one.close();
  }
}

/** What a node is asked of its part of a way. */
export interface PartQuestion {
  /** Its name. */
  readonly node: string;
  readonly from: Place;
  readonly to: Place;
  readonly port?: number | undefined;
  readonly isAnswer: boolean;
  /** When the packet comes from another node. */
  readonly arrival?: Arrival | undefined;
}

/**
 * The steps that are this node's, as its kernel has them. An end is here when its namespace is known. Throws KernelError,
 * UnknownContainerError.
 */
export function tracePart({ node, from, to, port, isAnswer, arrival }: PartQuestion): readonly Hop[] {
  const open: View[] = [];
  const viewed = (place: Place): End => {
    if (place.netns === undefined) return end(place);
    const view = new View(place.name, place.netns);
    open.push(view);
    return { ...end(place), view };
  };
  try {
    const host = new View(node);
    open.push(host);
    const more = { ...(port !== undefined && { port }), ...(arrival !== undefined && { arrival }) };
    return walk({ host, from: viewed(from), to: viewed(to), isAnswer, cluster: undefined, ...more }).hops;
  } finally {
    for (const one of open) one.close();
  }
}

function end({ name, address }: Place): End {
  return { name, address };
}

/** The addresses of a namespace that others can reach. Throws UnknownContainerError. */
export function addressesIn(netns: string): string[] {
  const view = new View(netns, netns);
  try {
    return view
      .addresses()
      .map(({ ip }) => ip)
      .filter((ip) => !/^(127\.|::1$|fe80:|169\.254\.)/i.test(ip));
  } finally {
    view.close();
  }
}
