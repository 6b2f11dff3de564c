/**
 * The controller: two pods, of which one does the work, and what they may do at the API server.
 *
 * They are in the hosts' network and take any node: a controller that needed an address of a pool could not come up to see
 * to a pool that has none left.
 */

import { LEASE } from "../../controller/controller.ts";
import { GROUP } from "../../store/kubernetes/resources.ts";
import { accountObjects, type Rule } from "./account.ts";
import { CONFIG_HASH } from "./daemon-set.ts";
import { AGENT, type InstallOptions, LABELS, type ManifestObject } from "./options.ts";

const SELECTED = { ...LABELS, "app.kubernetes.io/component": "controller" };

/** Nobody's user on any host. */
const USER = 65_532;

const READ = ["get", "list", "watch"];

const RULES: readonly Rule[] = [
  { apiGroups: [GROUP], resources: ["tendrilnodes"], verbs: [...READ, "patch", "delete"] },
  { apiGroups: [GROUP], resources: ["pools"], verbs: READ },
  { apiGroups: [GROUP], resources: ["pools/status"], verbs: ["patch"] },
  { apiGroups: [GROUP], resources: ["blocks"], verbs: [...READ, "patch", "delete"] },
  { apiGroups: [GROUP], resources: ["reservations"], verbs: [...READ, "delete"] },
  { apiGroups: [""], resources: ["nodes", "pods"], verbs: READ },
  { apiGroups: ["apps"], resources: ["statefulsets"], verbs: READ },
  { apiGroups: ["networking.k8s.io"], resources: ["servicecidrs"], verbs: READ },
  { apiGroups: [""], resources: ["events"], verbs: ["get", "create", "patch"] },
];

/** In its own namespace: nodes' signs of life, and the Lease by which one is elected. */
const OWN_RULES: readonly Rule[] = [
  { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["list", "watch", "create"] },
  { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "delete"] },
  { apiGroups: ["coordination.k8s.io"], resources: ["leases"], resourceNames: [LEASE], verbs: ["patch"] },
];

/** Account and roles. */
export function controllerAccess({ namespace }: InstallOptions): ManifestObject[] {
  return accountObjects(LEASE, namespace, { cluster: RULES, own: OWN_RULES });
}

export function controllerDeployment(options: InstallOptions, configHash: string): ManifestObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: LEASE, namespace: options.namespace, labels: SELECTED },
    spec: {
      replicas: options.controllerReplicas,
      selector: { matchLabels: SELECTED },
      // A new one has no place beside the old one on a cluster of as many nodes.
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
      template: {
        metadata: { labels: SELECTED, annotations: { [CONFIG_HASH]: configHash } },
        spec: podSpec(options),
      },
    },
  };
}

function podSpec({ image, imagePullPolicy, controllerMetricsPort: port }: InstallOptions): object {
  const probe = (path: string) => ({
    httpGet: { host: "127.0.0.1", port, path, scheme: "HTTP" },
    timeoutSeconds: 5,
    periodSeconds: 10,
  });
  return {
    hostNetwork: true,
    dnsPolicy: "Default",
    enableServiceLinks: false,
    priorityClassName: "system-cluster-critical",
    // For giving up the leadership.
    terminationGracePeriodSeconds: 10,
    nodeSelector: { "kubernetes.io/os": "linux" },
    tolerations: [{ operator: "Exists" }],
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: SELECTED } },
        ],
      },
    },
    serviceAccountName: LEASE,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER,
      runAsGroup: USER,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name: "controller",
        image,
        imagePullPolicy,
        args: ["controller"],
        resources: { requests: { cpu: "10m", memory: "64Mi" } },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        startupProbe: { ...probe("/livez"), periodSeconds: 1, failureThreshold: 60 },
        livenessProbe: { ...probe("/livez"), failureThreshold: 6 },
        readinessProbe: { ...probe("/readyz"), periodSeconds: 5 },
        volumeMounts: [{ name: "config", mountPath: "/etc/tendril", readOnly: true }],
      },
    ],
    volumes: [{ name: "config", configMap: { name: AGENT } }],
  };
}
