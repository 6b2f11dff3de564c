/** What the agents' pods have of their host, and why. The reasons are the manifest's comments, and docs/kubernetes.md's. */

/** Where the container runtime looks for plugins. */
export const CNI_FOLDER = "/opt/cni/bin";

/** Where the host's /proc/sys is in the container, whose own cannot be written. */
export const SYSCTL_FOLDER = "/host/proc/sys";

export interface Mount {
  readonly name: string;
  /** On the host. */
  readonly path: string;
  /** In the container; the same path unless given. */
  readonly at?: string;
  readonly of: "agent" | "plugins";
  readonly type: "Directory" | "DirectoryOrCreate";
  readonly propagation?: "HostToContainer";
  readonly readOnly?: boolean;
  readonly reason: string;
}

export const MOUNTS: readonly Mount[] = [
  {
    name: "plugins",
    path: CNI_FOLDER,
    of: "plugins",
    type: "DirectoryOrCreate",
    reason: "the executable and its links, for the container runtime",
  },
  {
    name: "networks",
    path: "/etc/cni/net.d",
    of: "agent",
    type: "DirectoryOrCreate",
    reason: "the network's configuration, which says that the node is ready",
  },
  {
    name: "namespaces",
    path: "/run/netns",
    of: "agent",
    type: "DirectoryOrCreate",
    propagation: "HostToContainer",
    reason: "pods' network namespaces, those too that come later",
  },
  {
    name: "run",
    path: "/run/tendril",
    of: "agent",
    type: "DirectoryOrCreate",
    reason: "the agent's socket and the records of attachments, which plugins share",
  },
  {
    name: "state",
    path: "/var/lib/tendril",
    of: "agent",
    type: "DirectoryOrCreate",
    reason: "the node's addresses and who has them, kept across pods and boots",
  },
  {
    name: "sysctls",
    path: "/proc/sys/net",
    at: `${SYSCTL_FOLDER}/net`,
    of: "agent",
    type: "Directory",
    reason: "forwarding, and the sysctls of pods' links: a container's own /proc/sys cannot be written",
  },
];

export const CAPABILITIES: Readonly<Record<string, string>> = {
  DAC_OVERRIDE: "folders of the host may be another user's than root, as installers make /opt/cni/bin",
  NET_ADMIN: "links, addresses, routes, neighbours, nf_tables, sysctls of the network",
  NET_BIND_SERVICE: "BIRD listens on port 179; in mode bgp alone",
  NET_RAW: "neighbours are told of a pod's addresses by frames of our own",
  SYS_ADMIN: "entering pods' network namespaces",
  SYS_PTRACE: "seeing processes' namespaces under /proc, the host's own mounts among them",
};

/** Other lines of the manifest that need a reason, by their beginning. */
export const REASONS: Readonly<Record<string, string>> = {
  "hostNetwork: true": "the network that is set up is the host's",
  "hostPID: true": "namespaces that runtimes name by a process, and telling the host's plugins from others",
  "appArmorProfile:": "the usual profile hides the host's processes, whatever the capabilities are",
  "seLinuxOptions:": "the usual type may not write the host's folders",
  "readOnlyRootFilesystem: true": "all that is written is in the mounts below",
};

/** Those of the controller that are others. */
export const CONTROLLER_REASONS: Readonly<Record<string, string>> = {
  "hostNetwork: true": "it sees to a pool that has no address left, and so must not need one",
  "readOnlyRootFilesystem: true": "nothing is written",
};
