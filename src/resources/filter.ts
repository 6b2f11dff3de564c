/** Filters that redirect all that a link receives to another link. */

import { ConflictError, KernelFeatureError } from "../core/errors.ts";
import type { FilterResource } from "../core/plan.ts";
import {
  addRedirect,
  deleteFilter,
  type Filter,
  isAsked,
  isRedirect,
  listIngressFilters,
} from "../linux/netlink/rtnetlink/filter/filter.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

const FEATURES = "CONFIG_NET_CLS_U32, CONFIG_NET_ACT_MIRRED";

export const filter: ResourceKind<FilterResource> = {
  ensure(resource, kernel, undo) {
    const { where, link, priority, redirect } = resource;
    const index = kernel.index(where, link);
    const target = kernel.index(where, redirect);
    const { own, others } = filtersOf(resource, kernel);
    // The kernel would take a second one beside it, which is never asked.
    if (own.length > 0) return;
    if (others.length > 0) {
      throw new ConflictError(`Cannot redirect what "${link}" receives: it has a filter of that priority already`, {
        details: `"tc filter show dev ${link} ingress" shows it.`,
      });
    }
    const request = addRedirect({ index, priority, target });
    kernel.post(where, { ...request, operation: `${request.operation} to "${link}"` }, (error) => {
      if (error === undefined) return undo(() => removeFilter(resource, kernel));
      if (error.code !== "ENOENT") throw error;
      const message = `Cannot redirect what "${link}" receives: this kernel has no filter u32 or no action mirred (${FEATURES})`;
      throw new KernelFeatureError(FEATURES, message, { cause: error });
    });
  },
  verify(resource, kernel) {
    if (!kernel.has(resource.where)) return ["the container's network namespace is gone"];
    const { link, redirect } = resource;
    return filtersOf(resource, kernel).own.length > 0
      ? []
      : [`link "${link}" has no filter that redirects to "${redirect}"`];
  },
  remove: removeFilter,
  describe: ({ where, link, priority, redirect }, naming) => [
    commandIn(
      where,
      `tc filter add dev ${link} ingress protocol all priority ${priority} u32 match u32 0 0 action mirred egress redirect dev ${redirect}`,
      naming,
    ),
  ],
  describeRemoval: ({ where, link, priority }, naming) => [
    commandIn(where, `tc filter delete dev ${link} ingress protocol all priority ${priority}`, naming),
  ],
  carrier: ({ where, link }) => ({ where, link }),
};

/** The filters of the link with the resource's priority: those that are as it says, and others. */
function filtersOf(
  { where, link, priority, redirect }: FilterResource,
  kernel: Kernel,
): { readonly own: readonly Filter[]; readonly others: readonly Filter[] } {
  const index = kernel.link(where, link)?.index;
  const target = kernel.link(where, redirect)?.index;
  if (index === undefined || target === undefined) return { own: [], others: [] };
  const asked = listIngressFilters(kernel.route(where), index).filter((one) => isAsked(one, priority));
  const isOwn = (one: Filter) => isRedirect(one, { priority, target });
  return { own: asked.filter(isOwn), others: asked.filter((one) => !isOwn(one)) };
}

/** With the last filter of a priority goes what the kernel keeps for it, such as hash tables. */
function removeFilter(resource: FilterResource, kernel: Kernel): void {
  if (!kernel.has(resource.where)) return;
  const { own, others } = filtersOf(resource, kernel);
  const [first] = own;
  if (first === undefined) return;
  const doomed = others.length === 0 ? [{ ...first, handle: 0 }] : own;
  for (const one of doomed) kernel.execute(resource.where, deleteFilter(one), "ENOENT", "EINVAL", "ENODEV");
}
