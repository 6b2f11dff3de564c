/** Which of the host's calls an agent in a container can serve, which has few of the host's files. */

import type { ResidentCall } from "../core/resident.ts";
import { clusterIpamTypes, clusterTypes, GATEWAY, typeAskedFor } from "../plugins/types.ts";
import { objectIn } from "./plugin.ts";

/** Besides the cluster's own: they need namespaces and sysctls, and the host's files for nothing. */
const FILELESS: readonly string[] = [GATEWAY, "bandwidth", "bridge", "ipvlan", "loopback", "macvlan", "portmap", "ptp"];

/**
 * Where the host's network namespaces have to be for the container to see them, too: in folders that are mounted into it
 * with all that is mounted there later, or at the processes, whose numbers are the host's.
 */
const VISIBLE: readonly string[] = ["/run/netns/", "/var/run/netns/", "/proc/"];

/** Whether a call's effect and answer are the same here as in a process that has all of the host's files. */
export function isForContainer({ type, env, stdin }: Pick<ResidentCall, "type" | "env" | "stdin">): boolean {
  const config = objectIn(stdin);
  const wanted = type ?? typeAskedFor(config);
  const { CNI_NETNS: netns = "" } = env;
  if (netns !== "" && !VISIBLE.some((folder) => netns.startsWith(folder))) return false;
  const ipam = ipamTypeIn(config);
  // The cluster's IPAM plugins are called with the configuration of any interface plugin.
  if (isOneOf(clusterIpamTypes, type) && isOneOf(clusterIpamTypes, ipam)) return true;
  const isKnown = isOneOf(clusterTypes, wanted) || isOneOf(FILELESS, wanted) || wanted.startsWith("ipam:");
  return isKnown && (ipam === "" || isOneOf(clusterIpamTypes, ipam));
}

function ipamTypeIn(config: Record<string, unknown> | undefined): string {
  const ipam = config?.ipam;
  return typeof ipam === "object" && ipam !== null && "type" in ipam && typeof ipam.type === "string" ? ipam.type : "";
}

function isOneOf(list: readonly string[], type: string | undefined): boolean {
  return type !== undefined && list.includes(type);
}
