/** Routes of others that are to be away: what is taken away is put back when the attachment goes. */

import type { AbsentRouteResource } from "../core/plan.ts";
import { deleteRoute, prependRoute } from "../linux/netlink/rtnetlink/route.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";
import { command, isThere, title, toSpec } from "./route.ts";

export const absentRoute: ResourceKind<AbsentRouteResource> = {
  ensure(resource, kernel, undo) {
    kernel.post(resource.where, deleteRoute(toSpec(resource, kernel)), (error) => {
      if (error === undefined) undo(() => putBack(resource, kernel));
      else if (error.code !== "ESRCH") throw error;
    });
  },
  verify(resource, kernel) {
    if (!kernel.has(resource.where)) return ["the container's network namespace is gone"];
    return isThere(resource, kernel) ? [`${title(resource)} is there again`] : [];
  },
  remove: putBack,
  describe: (resource, naming) => [commandIn(resource.where, command("delete", resource), naming)],
  describeRemoval: (resource, naming) => [commandIn(resource.where, command("prepend", resource), naming)],
  carrier: ({ where, link }) => ({ where, link }),
};

/** What a route needs, such as the address that it is sent from, somebody may have taken away meanwhile. */
const IMPOSSIBLE = ["EEXIST", "ENODEV", "ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EINVAL"];

function putBack(resource: AbsentRouteResource, kernel: Kernel): void {
  const { where, link } = resource;
  if (!kernel.has(where) || kernel.link(where, link) === undefined) return;
  kernel.execute(where, prependRoute(toSpec(resource, kernel)), ...IMPOSSIBLE);
}
