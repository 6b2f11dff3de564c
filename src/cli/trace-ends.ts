/** The ends of a way, from what an operator calls them. */

import type { AgentPod, AgentStatus } from "../core/agent-status.ts";
import { ConfigError, TendrilError } from "../core/errors.ts";
import { familyOf, formatIp, parseIp } from "../core/ip.ts";
import { addressesIn, type Place } from "../trace/trace.ts";
import { podName, shortId } from "./get-tables.ts";

/** As they are called on the command line. */
export interface Ends {
  readonly from: string;
  readonly to: string;
  readonly port?: number;
}

/** Parts the port from an end. Throws ConfigError. */
export function splitPort(text: string): { readonly end: string; readonly port?: number } {
  if (parseIp(text) !== undefined) return { end: text };
  const [, end = text, digits] = /^(.+):([0-9]+)$/.exec(text) ?? [];
  const bare = end.replace(/^\[(.*)\]$/, "$1");
  if (digits === undefined) return { end: bare };
  const port = Number(digits);
  if (port < 1 || port > 65535) throw new ConfigError("port", "must be from 1 to 65535", { value: port });
  return { end: bare, port };
}

/** What is known of an end: an address of each family at most. */
export interface FoundEnd {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly netns?: string;
  /** Its node, where that of a whole cluster is asked for. */
  readonly node?: string;
}

/** The pod that has an address. */
export function podAt(pods: readonly AgentPod[], address: string): AgentPod | undefined {
  return pods.find(({ addresses }) => addresses.some((own) => bare(own) === address));
}

/** Throws TendrilError for what is no pod here. */
export function findEnd(text: string, status: AgentStatus | undefined): FoundEnd {
  const pods = status?.pods ?? [];
  const ip = parseIp(text);
  if (ip !== undefined) {
    const address = formatIp(ip);
    const pod = podAt(pods, address);
    return pod === undefined ? { name: address, addresses: [address] } : { ...endOf(pod), addresses: [address] };
  }
  if (text.startsWith("/")) {
    const pod = pods.find(({ netns }) => netns === text);
    return pod === undefined ? { name: lastName(text), addresses: addressesIn(text), netns: text } : endOf(pod);
  }
  const found = pods.filter(
    (pod) => podName(pod) === text || (text.length >= SHORTEST_ID && pod.containerId.startsWith(text)),
  );
  const [pod, ...others] = found;
  if (pod === undefined) {
    const names = pods.map((one) => podName(one) ?? shortId(one.containerId));
    const known = names.length === 0 ? "The agent of this node has no pod." : `Pods of this node: ${names.join(", ")}.`;
    throw new TendrilError(`There is no pod "${text}" on this node`, {
      details: status === undefined ? "No agent answers: name it by the path of its network namespace." : known,
    });
  }
  if (new Set(others.map(({ containerId }) => containerId)).difference(new Set([pod.containerId])).size > 0) {
    throw new TendrilError(`Several pods are "${text}"`, { details: "Name one by its container's whole ID." });
  }
  return endOf(pod);
}

/** By which ip-netns(8) calls a namespace. */
function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Characters of a container's ID that tell it. */
const SHORTEST_ID = 6;

function endOf(pod: AgentPod): FoundEnd {
  const name = podName(pod) ?? shortId(pod.containerId);
  return { name, addresses: pod.addresses.map(bare), ...(pod.netns !== "" && { netns: pod.netns }) };
}

function bare(address: string): string {
  return address.split("/")[0] ?? address;
}

/** A place, with its node where that of a whole cluster is asked for. */
export interface PlacedEnd extends Place {
  readonly node?: string;
}

/** Places of the same family. Throws TendrilError when they have none in common. */
export function pairsOf(from: FoundEnd, to: FoundEnd): (readonly [PlacedEnd, PlacedEnd])[] {
  const pairs = ([4, 6] as const).flatMap((family) => {
    const [source, target] = [from, to].map(({ addresses }) => addresses.find((one) => familyOf(one) === family));
    if (source === undefined || target === undefined) return [];
    return [[placeOf(from, source), placeOf(to, target)] as const];
  });
  if (pairs.length > 0) return pairs;
  const shown = [from, to].map(({ name, addresses }) => `${name} has ${addresses.join(" and ") || "none"}`);
  throw new TendrilError("The two have no addresses of the same family", { details: `${shown.join(", ")}.` });
}

function placeOf({ name, netns, node }: FoundEnd, address: string): PlacedEnd {
  return { name, address, ...(netns !== undefined && { netns }), ...(node !== undefined && { node }) };
}
