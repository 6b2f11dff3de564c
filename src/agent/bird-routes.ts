/** The routes that a BIRD of ours has left in the kernel when it could not take them away itself. */

import { NetlinkError } from "../linux/netlink/error.ts";
import {
  deleteRoute,
  listRoutes,
  RT_SCOPE_UNIVERSE,
  RTPROT_BIRD,
  routeDestination,
} from "../linux/netlink/rtnetlink/route.ts";
import type { NetlinkSocket } from "../linux/netlink/socket.ts";
import { BIRD_METRIC } from "./bird-config.ts";

/**
 * Deletes them, and returns their destinations. To be called when BIRD has stopped, from the node's namespace. Another
 * BIRD on the host has another metric. Throws NetlinkError.
 */
export function removeBirdRoutes(socket: NetlinkSocket): string[] {
  const left = listRoutes(socket).filter(
    ({ protocol, priority }) => protocol === RTPROT_BIRD && priority === BIRD_METRIC,
  );
  return left.flatMap((route) => {
    const destination = routeDestination(route);
    try {
      socket.execute(
        deleteRoute({ destination, priority: BIRD_METRIC, protocol: RTPROT_BIRD, scope: RT_SCOPE_UNIVERSE }),
      );
      return [destination];
    } catch (error) {
      // The link went, or one of several ways took the others along.
      if (error instanceof NetlinkError && error.code === "ESRCH") return [];
      throw error;
    }
  });
}
