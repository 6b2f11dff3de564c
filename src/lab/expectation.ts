/** Who should reach whom in a lab, and under which source address: a pure function of what is known of its members. */

import { type Family, familyOf } from "../core/ip.ts";
import type { Result } from "../core/result.ts";
import { bare, isDirect, type Lab, type LabNode, ofFamily } from "./lab.ts";
import { OUTSIDE } from "./names.ts";
import { PROTOCOLS, type Protocol } from "./probe/probe.ts";

/** Protocols in which the size of a packet can be chosen. */
const SIZED = ["icmp", "udp"] as const;

export type Role = "pod" | "node" | "outside";

/** Who takes part in the test. */
export interface Participant {
  /** A pod as `node/pod`, else its own name. */
  readonly name: string;
  readonly role: Role;
  /** The node that it is, or is on. */
  readonly node?: LabNode;
  /** Its addresses without prefix length. */
  readonly addresses: readonly string[];
  /** For a pod: its node's addresses on the pods' bridge. */
  readonly gateways?: readonly string[];
  /** For a node: its addresses at its end of the tunnels. */
  readonly tunnel?: readonly string[];
  /** For a pod: the most bytes that its packets can have. */
  readonly mtu?: number;
}

export interface Expectation {
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly family: Family;
  /** The target's address. */
  readonly address: string;
  /** Of the IP packet in bytes, for one that fills the MTU or goes beyond it. */
  readonly size?: number;
  readonly reaches: boolean;
  /** The source address that the target should see. */
  readonly source?: string;
  /** The packet is too large to be sent at all. */
  readonly refused?: true;
}

/** What only the kernel knows, by `node/pod` or node. */
export interface Observed {
  /** What each pod's attachment gave. */
  readonly results: ReadonlyMap<string, Result>;
  readonly mtus: ReadonlyMap<string, number>;
  /** The addresses of the nodes' ends of tunnels. */
  readonly tunnels: ReadonlyMap<string, readonly string[]>;
}

/** Pods, nodes and the outside host. */
export function participants(lab: Lab, { results, mtus, tunnels }: Observed): Participant[] {
  const pods = lab.nodes.flatMap((node) =>
    node.pods.map((pod): Participant => {
      const name = `${node.name}/${pod}`;
      const ips = results.get(name)?.ips ?? [];
      const mtu = mtus.get(name);
      return {
        name,
        role: "pod",
        node,
        addresses: ips.map(({ address }) => bare(address)),
        gateways: ips.flatMap(({ gateway }) => gateway ?? []),
        ...(mtu === undefined ? {} : { mtu }),
      };
    }),
  );
  const nodes = lab.nodes.map(
    (node): Participant => ({
      name: node.name,
      role: "node",
      node,
      addresses: node.addresses.map(bare),
      tunnel: tunnels.get(node.name) ?? [],
    }),
  );
  const outside: Participant[] =
    lab.outside === undefined ? [] : [{ name: OUTSIDE, role: "outside", addresses: lab.outside.addresses.map(bare) }];
  return [...pods, ...nodes, ...outside];
}

/** Everybody to everybody else, in each protocol and family, and pods to pods with packets that fill their MTU. */
export function expectMatrix(lab: Lab, all: readonly Participant[]): Expectation[] {
  return lab.families.flatMap((family) =>
    all.flatMap((from) =>
      all
        .filter((to) => to !== from)
        .flatMap((to) => [...expectPair(lab, from, to, family), ...expectFull(lab, from, to, family)]),
    ),
  );
}

function expectPair(lab: Lab, from: Participant, to: Participant, family: Family): Expectation[] {
  return PROTOCOLS.flatMap((protocol) => expectOne(lab, from, to, family, protocol) ?? []);
}

/** One packet of exactly the MTU arrives; one of a byte more is refused where it is sent, for it must not be cut. */
function expectFull(lab: Lab, from: Participant, to: Participant, family: Family): Expectation[] {
  const { mtu } = from;
  if (from.role !== "pod" || to.role !== "pod" || mtu === undefined) return [];
  return SIZED.flatMap((protocol) => {
    const full = expectOne(lab, from, to, family, protocol);
    if (full === undefined) return [];
    const { source, ...unsourced } = full;
    return [
      { ...full, size: mtu },
      { ...unsourced, size: mtu + 1, reaches: false, refused: true },
    ];
  });
}

function expectOne(
  lab: Lab,
  from: Participant,
  to: Participant,
  family: Family,
  protocol: Protocol,
): Expectation | undefined {
  const address = ofFamily(family, to.addresses);
  if (address === undefined) return undefined;
  const base = { from: from.name, to: to.name, protocol, family, address };
  // Nobody beyond the router knows where the pods are.
  if (from.role === "outside" && to.role === "pod") return { ...base, reaches: false };
  const source = sourceSeen(lab, from, to, family);
  return { ...base, reaches: true, ...(source === undefined ? {} : { source }) };
}

function sourceSeen(lab: Lab, from: Participant, to: Participant, family: Family): string | undefined {
  const own = from.addresses.find((address) => familyOf(address) === family);
  const ofNode = ofFamily(family, (from.node?.addresses ?? []).map(bare));
  // What a pod sends beyond the cluster leaves under its node's address; within the cluster it keeps its own.
  if (to.role === "outside") return from.role === "pod" ? ofNode : own;
  if (from.node === undefined || to.node === undefined) return own;
  const direct = isDirect(lab, from.node, to.node);
  // A node that is reached by a tunnel only from pod to pod does not know that a pod's packet is one of the cluster.
  if (from.role === "pod" && to.role === "node") return direct ? own : ofNode;
  if (from.role === "node" && to.role === "pod") {
    // A node is in its own pods' network by the bridge's address, where there is a bridge.
    if (from.node.name === to.node.name)
      return lab.cluster === undefined ? ofFamily(family, to.gateways ?? []) : undefined;
    // The answers have to come back by the tunnel.
    return direct ? own : ofFamily(family, from.tunnel ?? []);
  }
  return own;
}
