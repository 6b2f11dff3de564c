/** What Kubernetes gives to this node. */

import type { ApiClient } from "../../store/kubernetes/client.ts";
import { orMissing } from "../../store/kubernetes/session.ts";

/** A Node as far as its pods' networks are concerned. @see core/v1 NodeSpec */
interface NodeObject {
  readonly spec?: { readonly podCIDR?: string; readonly podCIDRs?: readonly string[] };
}

/**
 * The node's own networks of pods, one of a family, in CIDR notation; empty as long as nobody has given it any. Undefined
 * where there is no Node of that name. Throws ApiError, StoreUnavailableError.
 */
export async function readPodCidrs(client: ApiClient, node: string): Promise<readonly string[] | undefined> {
  const found = await orMissing(client.call<NodeObject>({ path: `/api/v1/nodes/${node}` }));
  return found && (found.spec?.podCIDRs ?? (found.spec?.podCIDR === undefined ? [] : [found.spec.podCIDR]));
}
