/** The agents: one pod on each node, with what it needs of its host and no more. */

import { CAPABILITIES, CNI_FOLDER, MOUNTS, type Mount, SYSCTL_FOLDER } from "./host.ts";
import { AGENT, type InstallOptions, LABELS, type ManifestObject } from "./options.ts";

/** The labels of the agents' pods. */
export const AGENT_LABELS = { ...LABELS, "app.kubernetes.io/component": "agent" };

/** The container in them that is the agent, and the executable there. */
export const AGENT_CONTAINER = "agent";
export const EXECUTABLE_PATH = "/usr/bin/tendril";

/** On pods: another one when the configuration is another, so that a changed manifest restarts the agents. */
export const CONFIG_HASH = "tendril.dev/config";

export function daemonSet(options: InstallOptions, configHash: string): ManifestObject {
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: AGENT, namespace: options.namespace, labels: AGENT_LABELS },
    spec: {
      selector: { matchLabels: AGENT_LABELS },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: { labels: AGENT_LABELS, annotations: { [CONFIG_HASH]: configHash } },
        spec: podSpec(options),
      },
    },
  };
}

function podSpec(options: InstallOptions): object {
  const volumes = MOUNTS.map(({ name, path, type }) => ({ name, hostPath: { path, type } }));
  return {
    ...hostPod,
    serviceAccountName: AGENT,
    initContainers: [pluginsContainer(options, [CNI_FOLDER])],
    containers: [agentContainer(options)],
    volumes: [...volumes, { name: "config", configMap: { name: AGENT } }],
  };
}

/** What all pods have that do something to their node. */
export const hostPod = {
  hostNetwork: true,
  hostPID: true,
  dnsPolicy: "Default",
  enableServiceLinks: false,
  priorityClassName: "system-node-critical",
  terminationGracePeriodSeconds: 10,
  nodeSelector: { "kubernetes.io/os": "linux" },
  tolerations: [{ operator: "Exists" }],
};

/** The type is what SELinux asks of a container that works on the host's own files; elsewhere it means nothing. */
const PROFILES = { seccompProfile: { type: "RuntimeDefault" }, seLinuxOptions: { level: "s0", type: "spc_t" } };

export function pluginsContainer({ image, imagePullPolicy }: InstallOptions, args: readonly string[]): object {
  return {
    name: "plugins",
    image,
    imagePullPolicy,
    args: ["install-plugins", ...args],
    resources: { requests: { cpu: "50m", memory: "64Mi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"], add: ["DAC_OVERRIDE"] },
      ...PROFILES,
    },
    volumeMounts: mountsOf(({ of }) => of === "plugins"),
  };
}

/** What an agent, and a command that does an agent's work, is run with. */
export function agentBase({ image, imagePullPolicy, mode }: InstallOptions): object {
  const capabilities = Object.keys(CAPABILITIES).filter((name) => name !== "NET_BIND_SERVICE" || mode === "bgp");
  return {
    image,
    imagePullPolicy,
    env: [
      { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
      { name: "TENDRIL_SYSCTL_DIR", value: SYSCTL_FOLDER },
    ],
    securityContext: {
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"], add: capabilities },
      ...PROFILES,
      appArmorProfile: { type: "Unconfined" },
    },
    volumeMounts: [
      ...mountsOf(({ of }) => of === "agent"),
      { name: "config", mountPath: "/etc/tendril", readOnly: true },
    ],
  };
}

function agentContainer(options: InstallOptions): object {
  const probe = (path: string) => ({
    httpGet: { host: "127.0.0.1", port: options.metricsPort, path, scheme: "HTTP" },
    timeoutSeconds: 5,
  });
  return {
    name: AGENT_CONTAINER,
    ...agentBase(options),
    args: ["agent", "--node", "$(NODE_NAME)"],
    resources: { requests: { cpu: "50m", memory: "64Mi" } },
    startupProbe: { ...probe("/livez"), periodSeconds: 1, failureThreshold: 60 },
    livenessProbe: { ...probe("/livez"), periodSeconds: 10, failureThreshold: 6 },
    readinessProbe: { ...probe("/readyz"), periodSeconds: 2 },
  };
}

function mountsOf(isWanted: (mount: Mount) => boolean): object[] {
  return MOUNTS.filter(isWanted).map(({ name, path, at = path, propagation, readOnly }) => ({
    name,
    mountPath: at,
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(propagation === undefined ? {} : { mountPropagation: propagation }),
  }));
}
