/** What a plugin is: the schema of its configuration and a pure function from configuration and facts to a plan. */

import type { AttachmentKey } from "./names.ts";
import type { Plan, Where } from "./plan.ts";
import type { Call, NetworkConfig } from "./plugin.ts";
import type { Result } from "./result.ts";

/** A link as it is now. */
export interface LinkFact {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly promisc: boolean;
  readonly allmulticast: boolean;
  readonly txQueueLength: number;
  /** As ip-link(8) names it; undefined for a link without a kind, such as `lo` or a network card. */
  readonly kind: string | undefined;
  /** Of an end of a veth pair: its index, and the one that its other end has in the namespace where that is. */
  readonly veth?: { readonly index: number; readonly peer: number } | undefined;
  /** Addresses in CIDR notation. */
  readonly addresses: readonly string[];
}

/** A device as it is now, with what is needed to give it back as it was. */
export interface DeviceFact extends LinkFact {
  readonly index: number;
  readonly alias: string | undefined;
  /** The hardware's own; undefined for a link without hardware. */
  readonly permanentMac: string | undefined;
  /** Those in CIDR notation that somebody has given it for good. */
  readonly addresses: readonly string[];
}

/** The way by which the host would send packets to an address. */
export interface RouteFact {
  /** The link that they would leave by. */
  readonly link: string;
  /** The link's kind, as ip-link(8) names it. */
  readonly kind: string | undefined;
}

/** A route of a link, in whatever table. */
export interface LinkRoute {
  /** In CIDR notation. */
  readonly destination: string;
  readonly gateway?: string | undefined;
  readonly preferredSource?: string | undefined;
  readonly priority?: number | undefined;
  readonly table: number;
  readonly scope: number;
  readonly protocol: number;
  readonly mtu?: number | undefined;
  readonly advmss?: number | undefined;
  readonly onlink?: boolean | undefined;
}

/** A rule that says which table is looked up. */
export interface RuleFact {
  readonly family: 4 | 6;
  readonly priority: number;
  readonly table: number;
  /** Source in CIDR notation. */
  readonly from: string | undefined;
}

/** How a namespace routes. */
export interface RoutingFact {
  /** The unicast routes of the link, but those of link-local addresses in the main table. */
  readonly routes: readonly LinkRoute[];
  /** In the order in which they are asked. */
  readonly rules: readonly RuleFact[];
  /** The tables that a route, a rule or a VRF names. */
  readonly tables: readonly number[];
  /** What the link is a port of. */
  readonly master?: string | undefined;
  /** The tables of the VRFs, by their names. */
  readonly vrfs: ReadonlyMap<string, number>;
}

/** What a planner needs to know beyond the configuration. */
export interface Facts {
  readonly key: AttachmentKey;
  /** Path of the container's network namespace. */
  readonly netns: string;
  readonly bootId: string;
  /** What the IPAM plugin gave; undefined without one. */
  readonly ipam: Result | undefined;
  /** The result of the plugin before in the chain. */
  readonly prevResult: Result | undefined;
  /**
   * The result of an ADD that left no record, such as one by another vendor's plugin before a change-over: the plan
   * then has to name what that ADD made.
   */
  readonly adopted: Result | undefined;
  /** The plan is for taking away what an ADD may have made that left neither record nor result. */
  readonly recovering: boolean;
  /** The links that the planner asked for, by `<where>/<name>`; undefined for one that is not there. */
  readonly links: ReadonlyMap<string, LinkFact | undefined>;
  /** The values of the kernel parameters asked for, by `<where>/<name>`; undefined for one that is not there. */
  readonly sysctls: ReadonlyMap<string, string | undefined>;
  /** The texts of the files asked for, by path; undefined for one that is not there. */
  readonly files?: ReadonlyMap<string, string | undefined>;
  /** The devices asked for, in the order of the questions; undefined for one that is not there. */
  readonly devices?: readonly (DeviceFact | undefined)[];
  /** How the namespace that the planner asked for routes; undefined for one that is gone. */
  readonly routing?: RoutingFact | undefined;
  /** The host's ways to the addresses asked for; undefined for one that it knows no way to. */
  readonly routes?: ReadonlyMap<string, RouteFact | undefined>;
}

/** In the place of a name, which this cannot be: the link by which the namespace's default route leaves. */
export const DEFAULT_ROUTE = "default";

export interface LinkQuestion {
  readonly where: Where;
  readonly name: string | typeof DEFAULT_ROUTE;
  /** Ask for its addresses too. */
  readonly addresses?: true;
}

/** A device by its name, by its MAC, or as the first that lies under one of these folders of sysfs. */
export type DeviceQuestion = { readonly where: Where } & (
  | { readonly name: string }
  | { readonly mac: string }
  | { readonly folders: readonly string[] }
);

export interface SysctlQuestion {
  readonly where: Where;
  /** With slashes, such as `net/ipv4/ip_forward`. */
  readonly name: string;
}

/** The attachment that a planner asks about, as the runtime names it. */
export interface About {
  /** Undefined for STATUS. */
  readonly containerId: string | undefined;
  /** The interface in the container; undefined for STATUS. */
  readonly ifname: string | undefined;
  /** The result of the plugin before in the chain. */
  readonly prevResult: Result | undefined;
}

export interface Planner<Config> {
  /** The name that a configuration's `type` gives. */
  readonly type: string;
  /** Works on what plugins before it in a chain have made: ADD and CHECK need their result. */
  readonly chained?: true;
  /**
   * Whether its result takes the place of the one that it was given, because it gives that one's addresses to its own
   * interface.
   */
  readonly takesOver?: (config: Config) => boolean;
  /** The interface that an attachment is about, where it is not the one of CNI_IFNAME. */
  readonly ifname?: string;
  /** Checks the configuration. Throws ConfigError. */
  readonly parse: (config: NetworkConfig, args: Call["args"]) => Config;
  /** The IPAM plugin of a configuration that names none; without one such a configuration has no addresses. */
  readonly defaultIpam?: string;
  /** Whether this configuration asks an IPAM plugin for addresses. */
  readonly usesIpam: (config: Config) => boolean;
  /** The links whose present state the plan depends on. */
  readonly links: (config: Config, about: About) => readonly LinkQuestion[];
  /** The kernel parameters whose present values the plan depends on. */
  readonly sysctls?: (config: Config, about: About) => readonly SysctlQuestion[];
  /** Paths of the files whose texts the plan depends on. */
  readonly files?: (config: Config, about: About) => readonly string[];
  /** The devices that are not known by name alone, or that are to be given back. */
  readonly devices?: (config: Config, about: About) => readonly DeviceQuestion[];
  /** Addresses to which the plan has to know the host's way. */
  readonly routes?: (config: Config, about: About) => readonly string[];
  /** The link whose namespace's routing the plan depends on. */
  readonly routing?: (config: Config, about: About) => LinkQuestion;
  readonly plan: (config: Config, facts: Facts) => Plan;
  /** Why ADD could not succeed now, each a sentence; for STATUS. */
  readonly obstacles: (config: Config, links: Facts["links"]) => readonly string[];
}
