/**
 * How a plugin's process has its call served by the node's agent, which is there already and need not start.
 *
 * The agent listens on a socket in the run folder and speaks HTTP, so that people can ask it too. The process hands over
 * what it was called with and writes out what it gets back.
 */

/** The socket's name in the run folder. */
export const AGENT_SOCKET = "agent.sock";

/** Where calls are posted. */
export const CALL_PATH = "/cni";

/** The variables of the protocol, and the one by which the reference plugins permit the host's own namespace. */
export const CALL_VARIABLES = [
  "CNI_COMMAND",
  "CNI_CONTAINERID",
  "CNI_NETNS",
  "CNI_IFNAME",
  "CNI_ARGS",
  "CNI_PATH",
  "CNI_NETNS_OVERRIDE",
] as const;

/** One execution of a plugin. */
export interface ResidentCall {
  /** The plugin's type, where the name of the executable told it. */
  readonly type?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
  /**
   * The namespaces that the process is in: the agent serves only who sees the same network and the same files, or, from
   * a container, what needs no more of the host's files than namespaces.
   */
  readonly namespaces: Namespaces;
  /**
   * In milliseconds since the boot: then the process waits no more and does the work itself, so that an agent which had
   * stopped for so long must not begin it.
   */
  readonly until: number;
}

/** What the kernel's links say of each, such as `net:[4026531840]`. @see namespaces(7) */
export interface Namespaces {
  readonly net: string;
  readonly mnt: string;
}

/** How the execution ends. */
export interface ResidentAnswer {
  readonly status: 0 | 1;
  readonly stdout: string;
  readonly stderr: string;
}
