/** Who should reach whom in a lab, and under which source address: a pure function of its description. */

import { type Family, familyOf } from "../core/ip.ts";
import type { Result } from "../core/result.ts";
import { bare, type Lab, type LabNode, ofFamily } from "./lab.ts";
import { OUTSIDE } from "./names.ts";
import { PROTOCOLS, type Protocol } from "./probe/probe.ts";

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
}

export interface Expectation {
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly family: Family;
  /** The target's address. */
  readonly address: string;
  readonly reaches: boolean;
  /** The source address that the target should see. */
  readonly source?: string;
}

/** Pods, nodes and the outside host; `results` has what each pod's attachment gave, by `node/pod`. */
export function participants(lab: Lab, results: ReadonlyMap<string, Result>): Participant[] {
  const pods = lab.nodes.flatMap((node) =>
    node.pods.map((pod): Participant => {
      const ips = results.get(`${node.name}/${pod}`)?.ips ?? [];
      return {
        name: `${node.name}/${pod}`,
        role: "pod",
        node,
        addresses: ips.map(({ address }) => bare(address)),
        gateways: ips.flatMap(({ gateway }) => gateway ?? []),
      };
    }),
  );
  const nodes = lab.nodes.map(
    (node): Participant => ({ name: node.name, role: "node", node, addresses: node.addresses.map(bare) }),
  );
  const outside: Participant[] =
    lab.outside === undefined ? [] : [{ name: OUTSIDE, role: "outside", addresses: lab.outside.addresses.map(bare) }];
  return [...pods, ...nodes, ...outside];
}

/** Everybody to everybody else, in each protocol and family. */
export function expectMatrix(lab: Lab, all: readonly Participant[]): Expectation[] {
  return lab.families.flatMap((family) =>
    all.flatMap((from) =>
      all
        .filter((to) => to !== from)
        .flatMap((to) => PROTOCOLS.flatMap((protocol) => expectPair(from, to, family, protocol))),
    ),
  );
}

function expectPair(from: Participant, to: Participant, family: Family, protocol: Protocol): Expectation[] {
  const address = ofFamily(family, to.addresses);
  if (address === undefined) return [];
  const base = { from: from.name, to: to.name, protocol, family, address };
  // Nobody beyond the router knows where the pods are.
  if (from.role === "outside" && to.role === "pod") return [{ ...base, reaches: false }];
  const source = sourceSeen(from, to, family);
  return [{ ...base, reaches: true, ...(source === undefined ? {} : { source }) }];
}

function sourceSeen(from: Participant, to: Participant, family: Family): string | undefined {
  const nodeOf = ({ node }: Participant) => ofFamily(family, (node?.addresses ?? []).map(bare));
  // What a pod sends beyond the cluster leaves under its node's address; within the cluster it keeps its own.
  if (from.role === "pod" && to.role === "outside") return nodeOf(from);
  // A node is in its own pods' network by the bridge's address.
  if (from.role === "node" && to.role === "pod" && from.node === to.node) return ofFamily(family, to.gateways ?? []);
  return from.addresses.find((address) => familyOf(address) === family);
}
