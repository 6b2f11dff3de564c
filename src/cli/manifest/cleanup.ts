/** A Job for each node that takes away what the agents have made of it, to be applied once the agents are gone. */

import { formatHash, hash64 } from "../../core/names.ts";
import { agentBase, hostPod, pluginsContainer } from "./daemon-set.ts";
import { CNI_FOLDER, MOUNTS } from "./host.ts";
import { AGENT, type InstallOptions, LABELS, type ManifestObject } from "./options.ts";

const CLEANUP = { ...LABELS, "app.kubernetes.io/component": "cleanup" };

/** How often a node is tried, such as while its agent ends. */
const TRIES = 10;

export function cleanupObjects(nodes: readonly string[], options: InstallOptions): ManifestObject[] {
  return nodes.map((node) => ({
    apiVersion: "batch/v1",
    kind: "Job",
    // A node's name can be longer than a Job's.
    metadata: { name: `tendril-cleanup-${formatHash(hash64(node))}`, namespace: options.namespace, labels: CLEANUP },
    spec: {
      backoffLimit: TRIES,
      template: {
        metadata: { labels: CLEANUP },
        spec: {
          ...hostPod,
          nodeName: node,
          restartPolicy: "OnFailure",
          serviceAccountName: AGENT,
          initContainers: [
            {
              name: "cleanup",
              ...agentBase(options),
              args: ["agent", "cleanup", "--node", "$(NODE_NAME)"],
              resources: { requests: { cpu: "50m", memory: "64Mi" } },
            },
          ],
          containers: [pluginsContainer(options, ["--remove", CNI_FOLDER])],
          volumes: [
            ...MOUNTS.map(({ name, path, type }) => ({ name, hostPath: { path, type } })),
            { name: "config", configMap: { name: AGENT } },
          ],
        },
      },
    },
  }));
}
