/** The way of a packet as data: what was read from the kernel at each step. */

import type { Family } from "../core/ip.ts";
import type { HookVerdict } from "./filter.ts";

/** One step. `where` is the host or the pod whose kernel's state it is. */
export type Hop =
  | SourceHop
  | RouteHop
  | LinkHop
  | NeighbourHop
  | ForwardingHop
  | SwitchHop
  | ForwardHop
  | FilterHop
  | NodeHop
  | BeyondHop
  | UnreadHop
  | DestinationHop;

interface Placed {
  readonly where: string;
}

/** The address that the packet comes from. */
export interface SourceHop extends Placed {
  readonly kind: "source";
  readonly address: string;
  /** The link that has it; absent when none has. */
  readonly link?: string;
}

/** Which route the kernel takes. */
export interface RouteHop extends Placed {
  readonly kind: "route";
  readonly destination: string;
  readonly source?: string;
  /** The link that the packet has come in by. */
  readonly from?: string;
  readonly way?: Way;
  /** Without a way: the errno's name, or what type of route it is. */
  readonly refusal?: string;
}

export interface Way {
  readonly link: string;
  readonly gateway?: string;
  /** Whether the destination is an address of the kernel itself. */
  readonly local: boolean;
}

export interface LinkHop extends Placed {
  readonly kind: "link";
  readonly name: string;
  /** As ip-link(8) names it. */
  readonly type?: string;
  /** There is no link of this name and type. */
  readonly missing?: true;
  /** Set up by its administrator. */
  readonly up: boolean;
  /** The other end is there and up too. */
  readonly carrier: boolean;
}

/** The link-layer address behind an IP address. */
export interface NeighbourHop extends Placed {
  readonly kind: "neighbour";
  readonly link: string;
  readonly ip: string;
  /** Absent when the kernel has no entry, or one without. */
  readonly mac?: string;
  /** NUD_ bits; absent without an entry. */
  readonly state?: number;
  /** That of the link at the other end, where it can be seen. */
  readonly actual?: string;
  /** Whether somebody at the other end would answer who asks for the address; absent where that cannot be seen. */
  readonly answered?: boolean;
  /** Tunnels do not ask: without an entry nothing is sent. */
  readonly isTunnel: boolean;
}

/** Where a tunnel sends frames to a link-layer address. */
export interface ForwardingHop extends Placed {
  readonly kind: "forwarding";
  readonly link: string;
  readonly mac: string;
  readonly remote?: string;
}

/** By which port a bridge sends frames to a link-layer address; it floods to all when it does not know. */
export interface SwitchHop extends Placed {
  readonly kind: "switch";
  readonly bridge: string;
  /** Absent when nobody has been asked for it. */
  readonly mac?: string;
  readonly port?: string;
  /** Whether that link is a port of this bridge. */
  readonly isPort?: boolean;
}

/** Whether the host forwards what comes in by a link. */
export interface ForwardHop extends Placed {
  readonly kind: "forward";
  readonly family: Family;
  readonly link: string;
  /** Undefined where the kernel does not tell. */
  readonly on: boolean | undefined;
}

/** What the rules of nf_tables say. */
export interface FilterHop extends Placed {
  readonly kind: "filter";
  readonly verdict: HookVerdict;
  /** Which packet it is about when that is a tunnel's, which has the other one in it; such as `UDP to port 4789`. */
  readonly outer?: string;
}

/** The node that has the destination by the cluster's documents, and the one that the packet goes to. */
export interface NodeHop extends Placed {
  readonly kind: "node";
  readonly destination: string;
  /** Absent when no document says whose it is. */
  readonly owner?: { readonly name: string; readonly prefix: string; readonly gone: boolean };
  /** The node's address that the packet is sent to; absent where it is sent to no gateway. */
  readonly remote?: string;
  /** The tunnel that it is sent into; absent when it is sent as it is. */
  readonly tunnel?: Tunnel;
  /** Whose that is. */
  readonly leadsTo?: string;
  /** Set where BGP has told of the way, which then may lead by routers. */
  readonly byBgp?: true;
  /** The node of this host, where it is known. */
  readonly self?: string;
  /** Whether there are documents to ask at all. */
  readonly known: boolean;
  /** Whether it is an address of no pool, so that the packet leaves the cluster. */
  readonly outside: boolean;
}

export interface Tunnel {
  readonly name: string;
  /** As ip-link(8) names it. */
  readonly type: string;
}

/** The packet goes on to a node of which nothing can be read. */
export interface UnreadHop extends Placed {
  readonly kind: "unread";
  readonly why: string;
}

/** What lies behind cannot be read from here. */
export interface BeyondHop extends Placed {
  readonly kind: "beyond";
  readonly link: string;
}

export interface DestinationHop extends Placed {
  readonly kind: "destination";
  readonly address: string;
  /** The link that has it; absent when none has. */
  readonly link?: string;
  /** The link by which the packet arrives; absent when it is none of this namespace. */
  readonly arrivesBy?: string;
  readonly port?: number;
  /** Whether a process listens; absent where nobody asked. */
  readonly listening?: boolean;
}

/** One direction. */
export interface Leg {
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly destination: string;
  readonly hops: readonly Hop[];
}
