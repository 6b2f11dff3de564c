/** Queueing disciplines: a token bucket for what a link sends, and what filters for what it receives hang on. */

import { ConflictError, KernelFeatureError } from "../core/errors.ts";
import type { QdiscResource } from "../core/plan.ts";
import type { NetlinkError } from "../linux/netlink/error.ts";
import { listIngressFilters } from "../linux/netlink/rtnetlink/filter/filter.ts";
import { addIngress, addTokenBucket, deleteQdisc, findQdisc } from "../linux/netlink/rtnetlink/qdisc/qdisc.ts";
import { tokenBucketDifferences } from "../linux/netlink/rtnetlink/qdisc/tbf.ts";
import { qdiscHandle, TC_H_INGRESS, TC_H_ROOT } from "../linux/netlink/rtnetlink/traffic-control.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const qdisc: ResourceKind<QdiscResource> = {
  ensure(resource, kernel, undo) {
    const { where, link, qdisc: wanted } = resource;
    const index = kernel.index(where, link);
    const request = wanted.type === "tbf" ? addTokenBucket(index, wanted.handle, wanted) : addIngress(index);
    kernel.post(where, { ...request, operation: `${request.operation} to "${link}"` }, (error) => {
      if (error === undefined) return undo(() => removeQdisc(resource, kernel));
      // Another ingress, or clsact, is as good: our filters stand beside those of others.
      if (error.code !== "EEXIST" || verifyQdisc(resource, kernel).length > 0) throw creationError(resource, error);
    });
  },
  verify: verifyQdisc,
  remove: removeQdisc,
  describe: (resource, naming) => [
    commandIn(resource.where, `tc qdisc add dev ${resource.link} ${words(resource)}`, naming),
  ],
  describeRemoval: ({ where, link, qdisc: { type } }, naming) => [
    commandIn(where, `tc qdisc delete dev ${link} ${type === "tbf" ? "root" : "ingress"}`, naming),
  ],
  carrier: ({ where, link }) => ({ where, link }),
};

function creationError({ link, qdisc: { type } }: QdiscResource, cause: NetlinkError): Error {
  if (cause.code === "EEXIST") {
    return new ConflictError(`Cannot hold the rate of "${link}": it has a queueing discipline already`, {
      cause,
      details: `"tc qdisc show dev ${link}" shows it.`,
    });
  }
  if (cause.code !== "ENOENT") return cause;
  const feature = type === "tbf" ? "CONFIG_NET_SCH_TBF" : "CONFIG_NET_SCH_INGRESS";
  const message = `Cannot add qdisc ${type} to "${link}": this kernel has none of that kind (${feature})`;
  return new KernelFeatureError(feature, message, { cause });
}

function verifyQdisc({ where, link, qdisc: wanted }: QdiscResource, kernel: Kernel): string[] {
  if (!kernel.has(where)) return ["the container's network namespace is gone"];
  const index = kernel.link(where, link)?.index;
  if (index === undefined) return [`qdisc ${wanted.type} is gone with its link "${link}"`];
  const socket = kernel.route(where);
  if (wanted.type === "ingress") {
    return findQdisc(socket, index, TC_H_INGRESS) === undefined ? [`link "${link}" has no qdisc ingress`] : [];
  }
  const found = findQdisc(socket, index, TC_H_ROOT);
  if (found?.tbf === undefined || found.handle !== qdiscHandle(wanted.handle)) {
    return [`link "${link}" has no qdisc tbf ${wanted.handle}:`];
  }
  const values = { rate: `rate ${8 * wanted.rate}bit`, burst: `burst ${wanted.burst}`, limit: `limit ${wanted.limit}` };
  return tokenBucketDifferences(found.tbf, wanted).map((name) => `qdisc tbf of "${link}" has not ${values[name]}`);
}

/** A token bucket that somebody else has put there stays, and so does what carries the filters of others. */
function removeQdisc({ where, link, qdisc: held }: QdiscResource, kernel: Kernel): void {
  if (!kernel.has(where)) return;
  const index = kernel.link(where, link)?.index;
  if (index === undefined) return;
  const socket = kernel.route(where);
  const parent = held.type === "tbf" ? TC_H_ROOT : TC_H_INGRESS;
  const found = findQdisc(socket, index, parent);
  if (found?.kind !== held.type) return;
  const isOthers =
    held.type === "tbf" ? found.handle !== qdiscHandle(held.handle) : listIngressFilters(socket, index).length > 0;
  if (!isOthers) kernel.execute(where, deleteQdisc(index, parent), "ENOENT", "EINVAL", "ENODEV");
}

function words({ qdisc: wanted }: QdiscResource): string {
  if (wanted.type === "ingress") return "ingress";
  const { handle, rate, burst, limit } = wanted;
  return `root handle ${handle}: tbf rate ${8 * rate}bit burst ${burst} limit ${limit}`;
}
