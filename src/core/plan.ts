/**
 * The one idea: an attachment is a plan, an ordered list of resources that should exist.
 *
 * Resources are plain data, complete before anything is touched: what a planner writes is what the record on disk
 * holds, what CHECK compares with the kernel, what DEL removes and what `--explain` prints. `resources/` has for each
 * kind how to ensure, verify, remove and describe it.
 */

import type { NftChain, NftElement, NftRule, NftSet, NftTable } from "./nftables.ts";
import type { StoredCall } from "./plugin.ts";
import type { Result } from "./result.ts";

/** The network namespace that a resource lives in. */
export type Where = "host" | "container";

interface Placed {
  readonly where: Where;
  /**
   * Used by several attachments: made when it is missing, left when one of them goes, swept by GC when none is on
   * record any more.
   */
  readonly shared?: true;
}

export interface BridgeLink extends Placed {
  readonly kind: "link";
  readonly type: "bridge";
  readonly name: string;
  readonly mac: string;
  readonly mtu?: number;
  readonly vlanFiltering?: boolean;
}

/** A veth pair: this end in the host, the other in the container unless it says otherwise. */
export interface VethLink extends Placed {
  readonly kind: "link";
  readonly type: "veth";
  readonly where: "host";
  readonly name: string;
  readonly mac: string;
  readonly mtu?: number;
  /** Name of the bridge that this end is a port of. */
  readonly master?: string;
  readonly peer: { readonly name: string; readonly mac: string; readonly where?: Where };
}

/** A link that is made from another one, its parent, by which it sends and gets its frames. */
export interface ChildLink extends Placed {
  readonly kind: "link";
  readonly where: "container";
  readonly name: string;
  /** What the kernel chooses when it is absent: the parent's, but for most modes of macvlan. */
  readonly mac?: string;
  readonly mtu?: number;
  /** Absent where it is not known, of a link that another vendor's plugin has made. */
  readonly parent?: { readonly where: Where; readonly name: string };
}

export interface MacvlanLink extends ChildLink {
  readonly type: "macvlan";
  readonly mode: "bridge" | "private" | "vepa" | "passthru";
  /** How many broadcast frames may wait for it. */
  readonly broadcastQueueLength?: number;
}

export interface IpvlanLink extends ChildLink {
  readonly type: "ipvlan";
  readonly mode: "l2" | "l3" | "l3s";
}

export interface VlanLink extends ChildLink {
  readonly type: "vlan";
  readonly vlan: number;
}

/** A link that takes what it is given to send and drops it (dummy), or gives it back to its own ingress (ifb). */
export interface PlainLink extends Placed {
  readonly kind: "link";
  readonly type: "dummy" | "ifb";
  readonly name: string;
  readonly mac: string;
  readonly mtu?: number;
}

/** A routing domain: what comes in by its ports is routed by its table. It goes with the last of its ports. */
export interface VrfLink extends Placed {
  readonly kind: "link";
  readonly type: "vrf";
  readonly name: string;
  /** The kernel's choice when it is absent. */
  readonly mac?: string;
  readonly table: number;
}

/** A TAP device: what is sent by it a program gets, and the other way round. */
export interface TapLink extends Placed {
  readonly kind: "link";
  readonly type: "tun";
  readonly where: "container";
  readonly name: string;
  readonly mac: string;
  readonly mtu?: number;
  readonly multiQueue: boolean;
  /** Numbers of the user and the group that may open it. */
  readonly owner?: number;
  readonly group?: number;
  readonly selinuxContext?: string;
  /** Name of the bridge, in the same namespace, that it is a port of. */
  readonly master?: string;
}

/** A node's end of the tunnels over UDP to all other nodes; which node a frame goes to its forwarding entries say. */
export interface VxlanLink extends Placed {
  readonly kind: "link";
  readonly type: "vxlan";
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly vni: number;
  /** UDP port of all ends. */
  readonly port: number;
  /** The node's address, from which it sends; its family is that of the tunnels. */
  readonly local: string;
}

/**
 * A node's end of the tunnels of packets in IPv4 packets to all other nodes; which node a packet goes to the gateway of
 * its route says. `ipip` carries IPv4, `sit` IPv6.
 */
export interface TunnelLink extends Placed {
  readonly kind: "link";
  readonly type: "ipip" | "sit";
  readonly where: "host";
  readonly name: string;
  /** It has none: the address of its hardware is `local`. */
  readonly mac?: never;
  readonly mtu: number;
  /** The node's IPv4 address, from which it sends. */
  readonly local: string;
  /** The link that it sends by; whichever the routes name when absent. */
  readonly uplink?: string;
}

export type LinkResource =
  | BridgeLink
  | VethLink
  | MacvlanLink
  | IpvlanLink
  | VlanLink
  | PlainLink
  | VrfLink
  | TapLink
  | VxlanLink
  | TunnelLink;

/**
 * A device of the host that is lent to the container: moved there with another name, and back with its own. While it is
 * away its alias is its name in the host, by which it is found again whatever else of it has changed.
 */
export interface MovedLinkResource extends Placed {
  readonly kind: "moved-link";
  readonly where: "host";
  /** Its name in the host. */
  readonly name: string;
  /** Its name in the container. */
  readonly to: string;
  /** Its name in the host while another link has its own. */
  readonly spare: string;
  readonly permanentMac?: string;
  /** What it had in the host, and has again when it is back; not known of one that another vendor's plugin has moved. */
  readonly before?: {
    readonly index: number;
    readonly mac: string;
    readonly mtu: number;
    readonly txQueueLength: number;
    readonly up: boolean;
    readonly alias?: string;
    /** In CIDR notation. */
    readonly addresses: readonly string[];
  };
}

/** What can be set on a link; a value that is absent is left alone. */
export interface LinkSettings {
  readonly up?: boolean;
  readonly promisc?: boolean;
  readonly allmulticast?: boolean;
  readonly mac?: string;
  readonly mtu?: number;
  readonly txQueueLength?: number;
  /** As a bridge's port: send a frame back out of the port that it came in by. */
  readonly hairpin?: boolean;
  /** As a bridge's port: exchange frames only with ports that are not isolated. */
  readonly isolated?: boolean;
}

/** Settings of a link that is there already. */
export interface LinkSettingsResource extends Placed {
  readonly kind: "link-settings";
  readonly link: string;
  readonly set: LinkSettings;
  /** What to set when the attachment goes, for a link that stays. */
  readonly restore?: LinkSettings;
}

/** That a link is a port of a VRF, which routes what comes in by it. */
export interface VrfPortResource extends Placed {
  readonly kind: "vrf-port";
  readonly link: string;
  readonly vrf: string;
}

/** VLANs that a bridge's port lets through. */
export interface PortVlansResource extends Placed {
  readonly kind: "port-vlans";
  readonly link: string;
  readonly vlans: readonly { readonly vlan: number; readonly pvid: boolean; readonly untagged: boolean }[];
  /** No others, such as the one that the kernel gives to every port. */
  readonly only: boolean;
}

export interface AddressResource extends Placed {
  readonly kind: "address";
  readonly link: string;
  /** In CIDR notation. */
  readonly address: string;
  /** IPv6: wait for duplicate detection before the address is used. */
  readonly duplicateDetection?: boolean;
  /** Make no route to the address's network. */
  readonly noPrefixRoute?: true;
  /**
   * What to do about another address of the link in the same family (IPv6: with an overlapping network): refuse with
   * an error or take it away. Without this it is left alone.
   */
  readonly others?: "refuse" | "replace";
}

export interface RouteResource extends Placed {
  readonly kind: "route";
  readonly link: string;
  /** In CIDR notation. */
  readonly destination: string;
  readonly gateway?: string;
  /** The address that what takes the route is sent from, where the sender has chosen none. */
  readonly preferredSource?: string;
  readonly priority?: number;
  readonly table?: number;
  readonly scope?: number;
  readonly mtu?: number;
  readonly advmss?: number;
  readonly onlink?: boolean;
  /** RTPROT_: who has made it; an administrator unless it is told. */
  readonly protocol?: number;
}

/** A route that somebody else has made and that is to be away as long as the attachment lives. */
export interface AbsentRouteResource extends Omit<RouteResource, "kind"> {
  readonly kind: "absent-route";
}

export interface NeighbourResource extends Placed {
  readonly kind: "neighbour";
  readonly link: string;
  readonly ip: string;
  readonly mac: string;
}

/** Where a VXLAN link sends the frames for a MAC address. */
export interface ForwardingResource extends Placed {
  readonly kind: "forwarding";
  readonly link: string;
  readonly mac: string;
  /** Address of the node at the other end. */
  readonly destination: string;
}

export interface RuleResource extends Placed {
  readonly kind: "rule";
  readonly family: 4 | 6;
  readonly priority: number;
  readonly table: number;
  readonly from?: string;
  readonly to?: string;
  readonly inputName?: string;
  readonly outputName?: string;
}

export interface SysctlResource extends Placed {
  readonly kind: "sysctl";
  /** With slashes, such as `net/ipv4/ip_forward`. */
  readonly name: string;
  readonly value: string;
  /** The link whose parameter it is, and with which it goes. */
  readonly link?: string;
  /** A kernel without this parameter is fine. */
  readonly optional?: true;
  /** What to set when the attachment goes, for a parameter that stays. */
  readonly restore?: string;
}

/** A queueing discipline, by which a link sends or receives. */
export interface QdiscResource extends Placed {
  readonly kind: "qdisc";
  readonly link: string;
  readonly qdisc: TokenBucketQdisc | IngressQdisc;
}

/** Lets what the link sends wait until the rate lets it through. */
export interface TokenBucketQdisc {
  readonly type: "tbf";
  /** The number before the colon, as tc(8) writes it. */
  readonly handle: number;
  /** In bytes a second. */
  readonly rate: number;
  /** How many bytes may be saved up to be sent at once. */
  readonly burst: number;
  /** How many bytes may wait. */
  readonly limit: number;
}

/** What filters for all that the link receives hang on. */
export interface IngressQdisc {
  readonly type: "ingress";
}

/** Redirects all that a link receives: it goes out by another link instead. */
export interface FilterResource extends Placed {
  readonly kind: "filter";
  readonly link: string;
  readonly priority: number;
  /** Name of the other link. */
  readonly redirect: string;
}

/**
 * A feature's part of a table of ours, which all attachments share: sets, maps, and chains with the whole of their
 * rules. The names of the chains tell one part from another; the table goes with the last of its parts.
 */
export interface NftTableResource extends Placed {
  readonly kind: "nft-table";
  readonly table: NftTable;
  readonly sets: readonly NftSet[];
  readonly chains: readonly NftPartChain[];
  /** Chains of others that this part is for: it is made once one of them is there. */
  readonly beside?: readonly Pick<NftChain, "family" | "table" | "name">[];
}

export interface NftPartChain {
  readonly chain: NftChain;
  readonly rules: readonly NftRule[];
  /** Other resources put rules of theirs into it. */
  readonly open?: true;
}

/** A chain with the whole of its rules, in a table that is there. */
export interface NftChainResource extends Placed {
  readonly kind: "nft-chain";
  readonly chain: NftChain;
  readonly rules: readonly NftRule[];
}

/**
 * A chain for the administrator's rules, made when it is missing. What is in it is not ours: the chain stays as long as
 * it has a rule, and one that the administrator has made stays for ever.
 */
export interface NftAdminChainResource extends Placed {
  readonly kind: "nft-admin-chain";
  readonly chain: NftChain;
}

/**
 * The way through the chain in which iptables-nft has the rules for forwarded packets, where there is one: packets with
 * the mark are accepted there, unless the administrator's chain decides first.
 */
export interface NftIptablesResource extends Placed {
  readonly kind: "nft-iptables";
  readonly family: "ip" | "ip6";
  /** The bits of the packet's mark, which must all be set. */
  readonly mark: number;
  /** The administrator's chain beside it, made when it is missing as in {@link NftAdminChainResource}. */
  readonly adminChain: string;
}

/**
 * An address that is accepted, it is not known by whom: by an element of ours, or by rules that the reference plugin has
 * put into a chain of iptables-nft. Only verified and removed.
 */
export interface NftAcceptedResource extends Placed {
  readonly kind: "nft-accepted";
  readonly element: NftElement;
  readonly family: "ip" | "ip6";
  readonly chain: string;
  readonly address: string;
}

/** One rule at the end of a chain that is there, told from others by its comment. */
export interface NftRuleResource extends Placed {
  readonly kind: "nft-rule";
  readonly rule: NftRule;
}

/** One element of a set or map; its comment names the owner, who alone removes it. */
export interface NftElementResource extends Placed {
  readonly kind: "nft-element";
  readonly element: NftElement;
  /**
   * What the element gives its owner alone, such as `host port 8080/tcp`: where another owner has it, that is a conflict.
   * Without this the key is taken from an owner who had it before.
   */
  readonly exclusive?: string;
}

/** Whatever elements of these sets carry the owner's comment: only removed, when it is not known which they are. */
export interface NftOwnedResource extends Placed {
  readonly kind: "nft-owned";
  readonly sets: readonly NftSet[];
  readonly comment: string;
}

/**
 * Host ports that are led to a container, it is not known by whom: by elements of ours, or by the reference plugin. Only
 * verified and removed.
 */
export interface NftAdoptedPortsResource extends Placed {
  readonly kind: "nft-adopted-ports";
  readonly elements: readonly NftElement[];
  /** The families in which there are ports. */
  readonly families: readonly ("ip" | "ip6")[];
  /** The chain that the reference plugin has for the container in the table of iptables-nft. */
  readonly chain: string;
  /** The comment of that plugin's rules in tables of its own. */
  readonly containerId: string;
}

/** Which tracked connections: by where their first packet went, and by who answers. */
export interface TrackedFlows {
  readonly family: 4 | 6;
  readonly protocol: "udp";
  /** Any address of the host unless given. */
  readonly destination?: string;
  readonly port: number;
  /** The address that the answers come from. */
  readonly answeredBy?: string;
}

/**
 * Connections without an end of their own, which the kernel goes on to send the way of their first packet although that
 * is no longer right: they are forgotten, so that their next packet is a first one again.
 */
export interface ConntrackResource extends Placed {
  readonly kind: "conntrack";
  /** Once what comes before it in the plan has been made, or once what comes after it has been removed. */
  readonly when: "made" | "removed";
  readonly flows: readonly TrackedFlows[];
}

/** The addresses that an IPAM plugin has given to the attachment. */
export interface LeaseResource extends Placed {
  readonly kind: "lease";
  /** The IPAM plugin's type. */
  readonly ipam: string;
  /** The call that the lease was taken by, with which it is checked and released. */
  readonly call: StoredCall;
}

export type Resource =
  | LinkResource
  | MovedLinkResource
  | LinkSettingsResource
  | VrfPortResource
  | PortVlansResource
  | AddressResource
  | RouteResource
  | AbsentRouteResource
  | NeighbourResource
  | ForwardingResource
  | RuleResource
  | SysctlResource
  | QdiscResource
  | FilterResource
  | NftTableResource
  | NftChainResource
  | NftAdminChainResource
  | NftIptablesResource
  | NftAcceptedResource
  | NftRuleResource
  | NftElementResource
  | NftOwnedResource
  | NftAdoptedPortsResource
  | ConntrackResource
  | LeaseResource;

export type ResourceKindName = Resource["kind"];

/** The resources of one kind. */
export type ResourceOf<K extends ResourceKindName> = Extract<Resource, { kind: K }>;

/** What a planner answers: what should exist, in the order in which it is made, and what to tell the runtime. */
export interface Plan {
  readonly resources: readonly Resource[];
  readonly result: Result;
}
