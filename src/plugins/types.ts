/** The names under which the executable is a plugin. */
export const pluginTypes = [
  "bandwidth",
  "bridge",
  "dummy",
  "firewall",
  "host-device",
  "host-local",
  "ipvlan",
  "loopback",
  "macvlan",
  "minicni",
  "portmap",
  "ptp",
  "sbr",
  "simplecni",
  "static",
  "tap",
  "tendril",
  "testcni",
  "tuning",
  "vlan",
  "vrf",
  "whereabouts",
] as const;

export type PluginType = (typeof pluginTypes)[number];

/** Plugins for our own lists alone: no executable has their names. */
export const GATEWAY = "tendril-gateway";
export const ownTypes = [GATEWAY] as const;

/**
 * The executable's own name, under which it is the program with its commands as well: a plugin when it is called as one,
 * and then whatever the configuration asks for.
 */
export const EXECUTABLE = "tendril";

/**
 * The name under which kubectl finds the program, as its command `kubectl tendril`.
 * @see https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
 */
export const KUBECTL_PLUGIN = "kubectl-tendril";

/** Which plugin the executable is under a name; undefined where the configuration has to tell. */
export function typeNamed(name: string): PluginType | undefined {
  return name === EXECUTABLE ? undefined : pluginTypes.find((type) => type === name);
}

/** The cluster's plugin, and those that it takes the place of. */
export const clusterTypes: readonly string[] = ["tendril", "simplecni", "minicni", "testcni"];

/** The names by which a configuration asks for a cluster's addresses. */
export const clusterIpamTypes: readonly string[] = ["tendril", "whereabouts"];

/** All the IPAM plugins that the executable is. */
export const ipamTypes: readonly string[] = ["host-local", "static", ...clusterIpamTypes];

/**
 * Which plugin a configuration asks for of the executable under its own name. Another plugin that has its addresses of
 * the cluster calls it with its own configuration, as the protocol has it for IPAM plugins.
 */
export function typeAskedFor(config: { readonly [field: string]: unknown } | undefined): string {
  const type = typeof config?.type === "string" ? config.type : "";
  const ipam = config?.ipam;
  const isIpam = typeof ipam === "object" && ipam !== null && "type" in ipam && ipam.type === EXECUTABLE;
  return isIpam && !clusterTypes.includes(type) ? CLUSTER_IPAM : type;
}

/** How the IPAM plugin of the cluster is told from the interface plugin of the same name. */
export const CLUSTER_IPAM = "ipam:tendril";
