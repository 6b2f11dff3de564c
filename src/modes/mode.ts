/**
 * What a mode is: pure functions from what is known of the cluster to the resources of one node.
 *
 * The resources are told apart by the node that they lead to, so a change of one node is work for that one alone.
 */

import type { ModeName, PoolRecord } from "../core/cluster.ts";
import type { Family } from "../core/ip.ts";
import type { Resource } from "../core/plan.ts";

/** A link by which the node reaches others. */
export interface Uplink {
  readonly name: string;
  readonly mtu: number;
  /** In CIDR notation. */
  readonly addresses: readonly string[];
  /** Its default route of IPv6 is one that the kernel has learnt from a router's advertisements. */
  readonly isAdvertised?: true;
}

/** The node that the resources are for. */
export interface LocalNode {
  readonly name: string;
  readonly uplinks: readonly Uplink[];
  /** Its addresses in the fabric, as its document has them: the first one's family is that of tunnels. */
  readonly addresses: readonly string[];
  /** Of its end of the tunnels. */
  readonly tunnelMac: string;
  /**
   * Addresses of its own end of the tunnels, one of each family of the pods, out of the node's blocks: what the node
   * itself sends to pods of others by a tunnel comes from them, so that the answers come back by the tunnel.
   */
  readonly tunnelAddresses: readonly string[];
  /** Of a pod's packets to other nodes, in bytes: the least of the cluster. */
  readonly mtu: number;
}

/** Another node. */
export interface Peer {
  readonly name: string;
  /** In CIDR notation. */
  readonly addresses: readonly string[];
  readonly tunnelMac: string | undefined;
  /** The networks of its pods in CIDR notation: its blocks, and single addresses of others' blocks. */
  readonly prefixes: readonly string[];
}

/** What the operator chooses for the whole cluster. */
export interface ModeSettings {
  readonly mode: ModeName;
  /** Tunnels only to nodes of other subnets: those on the same link are reached directly. */
  readonly crossSubnetOnly: boolean;
  readonly vxlan: { readonly vni: number; readonly port: number };
  readonly bgp?: {
    /** Routes that BIRD learns of nodes on other links lead into tunnels, because the routers between know no pods. */
    readonly tunnel?: "ipip";
  };
}

/** The resources that lead to one other node, or why it cannot be reached. */
export interface PeerPlan {
  readonly resources: readonly Resource[];
  /** A sentence for the operator. */
  readonly problem?: string;
  /** Whether packets go to the peer as they are; else in a tunnel. */
  readonly direct: boolean;
}

export interface Mode {
  readonly name: ModeName;
  /** How many bytes it adds to a pod's packet between nodes that reach each other by this family. */
  readonly overhead: (underlay: Family, settings: ModeSettings) => number;
  /** What the node has whichever other nodes there are. */
  readonly planNode: (local: LocalNode, settings: ModeSettings) => readonly Resource[];
  readonly planPeer: (peer: Peer, local: LocalNode, settings: ModeSettings) => PeerPlan;
}

/** RTPROT_ of the routes between nodes: by it they are told from everybody else's. "T" in ASCII. */
export const ROUTE_PROTOCOL = 84;

/** Names of links that modes make. */
export const VXLAN_LINK = "tendril.vxlan";
export const IPIP_LINK = "tendril.ipip";
export const SIT_LINK = "tendril.sit";
/** As SIT_LINK, to nodes on the same link. */
export const SIT_LAN_LINK = "tendril.sit.lan";

/** What a node does for its pods in whatever mode; see `node.ts`. */
export interface NodeSettings {
  readonly families: readonly Family[];
  readonly pools: readonly Pick<PoolRecord, "cidrs" | "masquerade">[];
}
