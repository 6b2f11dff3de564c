/** What the suite judges: a plugin at its place in a chain, with a configuration that it can work with. */

import type { LinkKind } from "../support/kernel.ts";

/** One entry of a network configuration's `plugins`. */
export interface PluginConfig {
  readonly type: string;
  readonly ipam?: { readonly type: string; readonly [field: string]: unknown };
  readonly capabilities?: { readonly [capability: string]: boolean };
  readonly [field: string]: unknown;
}

/** What keeps a plugin from doing its work, or breaks what it has done. */
export interface Mishap {
  readonly what: string;
  /** A shell command that brings it about. */
  readonly sh: string;
}

export interface Subject {
  /** The plugin's name in the report. */
  readonly name: string;
  /**
   * An interface plugin is called by the runtime first, a chained one with the result of those before it, an IPAM
   * plugin by an interface plugin, with the whole configuration of that one.
   */
  readonly kind: "interface" | "chained" | "ipam";
  /** The chain up to the plugin, which is its last. The same for all containers but for what `forContainer` says. */
  readonly plugins: readonly PluginConfig[];
  /** Fields of the last plugin that differ from container to container, the first of which has number 0. */
  readonly forContainer?: (number: number) => Readonly<Record<string, unknown>>;
  /** Capability arguments, as the runtime hands them to plugins that declare the capability. */
  readonly capabilities?: (number: number) => Readonly<Record<string, unknown>>;
  /** The interface that is asked for; `eth0` where absent. */
  readonly ifname?: string;
  /** The interface is there before: the plugin only adjusts it, and it stays after DEL. */
  readonly interfaceIsThere?: true;
  /** A shell command that prepares the node. */
  readonly given?: string;
  /** The kind of links that the kernel has to have. */
  readonly link?: LinkKind;
  /** Why ADD could not succeed, though the configuration is right; each brought about on the node. */
  readonly obstacles?: readonly (Mishap & {
    /** Fields of the last plugin with which it is one. */
    readonly config?: Readonly<Record<string, unknown>>;
    /** As many attachments as use up what there is. */
    readonly attachments?: number;
  })[];
  /** What somebody may do to a container's attachment; CHECK is to find it. On the node or in the container. */
  readonly damages?: readonly (Mishap & { readonly where: "node" | "container" })[];
  /** Fields of the last plugin with values that they cannot have. */
  readonly wrong?: readonly Readonly<Record<string, unknown>>[];
  /** Requirements that it cannot be judged by, with the reason. */
  readonly exempt?: Readonly<Record<string, string>>;
}

/** The name of the executable that is judged. */
export function executableOf({ kind, plugins }: Subject): string {
  const last = plugins.at(-1);
  return (kind === "ipam" ? last?.ipam?.type : last?.type) ?? "";
}

/** Whether all containers get the same addresses: those of the configuration, or the loopback's. */
export function hasFixedAddresses({ plugins, interfaceIsThere }: Subject): boolean {
  return interfaceIsThere === true || plugins.some(({ ipam }) => ipam?.type === "static");
}

/**
 * The plugins of a network configuration as subjects, each at the end of the chain up to it. The first is taken for an
 * interface plugin, the others for chained ones.
 */
export function subjectsOfNetwork(
  plugins: readonly PluginConfig[],
  capabilities: Readonly<Record<string, unknown>>,
): Subject[] {
  return plugins.map(({ type }, i) => ({
    name: type,
    kind: i === 0 ? "interface" : "chained",
    plugins: plugins.slice(0, i + 1),
    capabilities: (number) => numbered(capabilities, number),
  }));
}

/** Port mappings of several containers must not have the same host port. */
function numbered(capabilities: Readonly<Record<string, unknown>>, number: number): Readonly<Record<string, unknown>> {
  const { portMappings } = capabilities;
  if (!Array.isArray(portMappings)) return capabilities;
  const count = portMappings.length;
  const moved = portMappings.map((each) => ({ ...each, hostPort: Number(each.hostPort) + number * count }));
  return { ...capabilities, portMappings: moved };
}

/** The same without addresses and routes of IPv6. */
export function inIpv4(subject: Subject): Subject {
  // After its elements are gone, an array is.
  const isIpv6 = (item: unknown) => /^(\[\]|\{"(subnet|dst|address)":"[0-9a-f]*:.*)$/.test(JSON.stringify(item));
  const plugins = JSON.parse(JSON.stringify(subject.plugins), (_, value) =>
    Array.isArray(value) ? value.filter((item) => !isIpv6(item)) : value,
  ) as Subject["plugins"];
  return { ...subject, plugins };
}
