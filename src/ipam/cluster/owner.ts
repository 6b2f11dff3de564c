/** Whose an address is: an attachment, and what is known of it. */

import type { AttachmentKey } from "../../core/names.ts";
import type { Call } from "../../core/plugin.ts";

/** An attachment as the tables call it; none of its parts has a slash. */
export function ownerName({ network, containerId, ifname }: AttachmentKey): string {
  return `${network}/${containerId}/${ifname}`;
}

/** The attachment of a call. */
export function keyOfCall({ config, containerId, ifname }: Call): AttachmentKey {
  return { network: config.name, containerId, ifname };
}

/** What a node knows of an owner. */
export interface OwnerRecord extends AttachmentKey {
  readonly owner: string;
  /** Path of its network namespace. */
  readonly netns: string | null;
  /** Device and inode of its network namespace, which tell it from another one at the same path. */
  readonly netnsId: string | null;
  /** Of the boot in which it was attached. */
  readonly bootId: string;
  readonly podNamespace: string | null;
  readonly podName: string | null;
  /** When it was attached, in milliseconds since the boot. */
  readonly since: number;
}

/** Tells what an owner has been since it was attached from what it is once it is attached anew. */
export function attachmentName({ owner, since }: Pick<OwnerRecord, "owner" | "since">): string {
  return `${owner}@${since}`;
}

/** The pod that an attachment is for, as Kubernetes' runtimes say it. @see CNI_ARGS K8S_POD_NAMESPACE, K8S_POD_NAME */
export function podOf(
  args: ReadonlyMap<string, string>,
): { readonly namespace: string; readonly name: string } | undefined {
  const namespace = args.get("K8S_POD_NAMESPACE");
  const name = args.get("K8S_POD_NAME");
  return namespace && name ? { namespace, name } : undefined;
}

/** The key under which a pod's addresses are reserved, such as `default/web-0`. */
export function reservationKey(args: ReadonlyMap<string, string>): string | undefined {
  const pod = podOf(args);
  return pod && `${pod.namespace}/${pod.name}`;
}
