/** The annotation that says what a pod's networks have come to be, written behind the call that attached it. */

import type { Log } from "../../cluster/log.ts";
import { errorMessage } from "../../core/errors.ts";
import { Backoff } from "../../store/kubernetes/backoff.ts";
import { type ApiClient, ApiError, MERGE_PATCH } from "../../store/kubernetes/client.ts";
import { StoreUnavailableError } from "../../store/store.ts";
import type { PodFacts } from "./annotations.ts";

export const NETWORK_STATUS = "k8s.v1.cni.cncf.io/network-status";

/** How often it is tried while the API server is away: some ten minutes. */
const TRIES = 45;

/**
 * Writes it to the pod, by its status, where nothing else can be changed by the way. Tries again while the API server is
 * away; a pod that is gone needs none. Never fails: it is told to the log.
 */
export async function writeNetworkStatus(
  { client, log }: { readonly client: ApiClient; readonly log: Log },
  { namespace, name, uid }: Pick<PodFacts, "namespace" | "name" | "uid">,
  networks: readonly object[],
): Promise<void> {
  const backoff = new Backoff();
  const body = { metadata: { uid, annotations: { [NETWORK_STATUS]: JSON.stringify(networks) } } };
  const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
  for (let tries = 1; ; tries++) {
    try {
      await client.call({ method: "PATCH", path, body, contentType: MERGE_PATCH });
      return;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return;
      const isAway = error instanceof StoreUnavailableError;
      if (isAway && tries < TRIES && !client.closed.aborted) await backoff.wait(client.closed);
      else {
        log.warn("a pod is not told of its networks", { pod: `${namespace}/${name}`, error: errorMessage(error) });
        return;
      }
    }
  }
}
