/**
 * What a lab's things are called, and where its state lies.
 *
 * All names begin with `tendril-<lab>-`, and a lab's own name has no hyphen, so that `down` finds what belongs to a lab
 * by name alone and never takes another lab's: `tendril-one-` begins no name of a lab `one2`.
 */

/** The folder of the labs' state, which lasts until the next boot. */
export const LABS_FOLDER = "/run/tendril/lab";

/** Members that every lab may have; a node or subnet cannot take their names. */
export const ROUTER = "router";
export const OUTSIDE = "outside";

/** The bridge in a subnet's namespace. */
export const SWITCH = "switch";

/** The link of a node, a pod and the outside host. */
export const UPLINK = "eth0";

/** The nodes' ends of tunnels, as the modes name them. */
export const TUNNELS = ["tendril.vxlan", "tendril.ipip", "tendril.sit"] as const;

/** The bridge of a node's pods. */
export const POD_BRIDGE = "cni0";

/** The beginning of all names of a lab. */
export function namePrefix(lab: string): string {
  return `tendril-${lab}-`;
}

/**
 * The name of the network namespace of a node, a subnet's switch, the router, the outside host (by its own name), or a
 * pod (`node/pod`). Neither part may hold a dot, so no two members share a name.
 */
export function netnsName(lab: string, member: string): string {
  return `${namePrefix(lab)}${member.replace("/", ".")}`;
}

/** The CNI network of a lab. */
export function networkName(lab: string): string {
  return `tendril-${lab}`;
}

/** Where a lab's state lies. */
export function labFolder(lab: string): string {
  return `${LABS_FOLDER}/${lab}`;
}

/** Where a node's state lies: what would be in /run/tendril and /var/lib/cni on a machine of its own. */
export function nodeFolder(lab: string, node: string): string {
  return `${labFolder(lab)}/nodes/${node}`;
}

/** What a node's disk would keep when it is switched off: /var/lib/tendril on a machine of its own. */
export function stateFolder(lab: string, node: string): string {
  return `${nodeFolder(lab, node)}/state`;
}

/** The network configurations of a node: /etc/cni/net.d on a machine of its own. */
export function configFolder(lab: string, node: string): string {
  return `${nodeFolder(lab, node)}/net.d`;
}
