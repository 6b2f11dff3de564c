/** What the proofs of a cluster's network run: agnhost as a web server and a server of datagrams, in every place. */

import { AGNHOST, PAUSE } from "./images.ts";

export const PORTS = {
  /** Of the web servers and of what answers datagrams, in their pods. */
  web: 80,
  udp: 81,
  /** On the nodes, for the pods of theirs. */
  hostWeb: 8080,
  hostUdp: 8081,
  /** Of those in the nodes' own networks. */
  host: 9080,
  hostOwnUdp: 9081,
  /** On all nodes, for a service. */
  node: 30_080,
  nodeUdp: 30_081,
  /** The same, for pods of that node alone. */
  local: 30_082,
} as const;

/** What has no answer on a machine that has much else to do is not gone. */
const PATIENT = { timeoutSeconds: 10 };

const WEB = { app: "web" };
const SINGLE = { app: "single" };
const DATAGRAMS = { name: "udp", protocol: "UDP", port: PORTS.udp };

/** The least: a web server on each node, with its service, both called "web". */
export function webServers(): object[] {
  const ports = [
    { containerPort: PORTS.web, hostPort: PORTS.hostWeb },
    { containerPort: PORTS.udp, hostPort: PORTS.hostUdp, protocol: "UDP" },
  ];
  return [
    everywhere("web", { containers: [{ ...server("web"), ports }] }),
    service("web", WEB, { ports: [{ name: "web", port: PORTS.web }, DATAGRAMS] }),
  ];
}

/** A web server on each node ("web"), another one in each node's network ("host"), one on some node ("single"). */
export function workloads(): object[] {
  return [
    ...webServers(),
    everywhere("host", { hostNetwork: true, containers: [server("host", PORTS.host, PORTS.hostOwnUdp)] }),
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "single" },
      spec: { replicas: 1, ...selecting(SINGLE, { containers: [server("single")] }) },
    },
    service("web-headless", WEB, { clusterIP: "None", ports: [{ port: PORTS.web }] }),
    service("web-nodes", WEB, {
      type: "NodePort",
      ports: [
        { name: "web", port: PORTS.web, nodePort: PORTS.node },
        { ...DATAGRAMS, nodePort: PORTS.nodeUdp },
      ],
    }),
    service("web-sticky", WEB, { sessionAffinity: "ClientIP", ports: [{ port: PORTS.web }] }),
    service("single", SINGLE, { ports: [{ port: PORTS.web }] }),
    service("single-local", SINGLE, {
      type: "NodePort",
      externalTrafficPolicy: "Local",
      ports: [{ port: PORTS.web, nodePort: PORTS.local }],
    }),
  ];
}

/** A Deployment of web servers called "many", to be scaled: pods that are cheap to start and quick to end. */
export function manyPods(replicas: number): object {
  const many = { name: "many", image: AGNHOST, args: ["netexec", `--http-port=${PORTS.web}`] };
  const readinessProbe = { httpGet: { path: "/healthz", port: PORTS.web }, periodSeconds: 1, ...PATIENT };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "many" },
    spec: { replicas, ...selecting({ app: "many" }, { containers: [{ ...many, readinessProbe }] }) },
  };
}

/** A StatefulSet of web servers called "home", whose pods keep their addresses. */
export function stickyPods(replicas: number): object[] {
  const labels = { app: "home" };
  const spec = { terminationGracePeriodSeconds: 0, containers: [server("home")] };
  const metadata = { labels, annotations: { "tendril.dev/sticky": "true" } };
  return [
    {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "home" },
      spec: {
        ...{ serviceName: "home", replicas, podManagementPolicy: "Parallel" },
        ...{ selector: { matchLabels: labels }, template: { metadata, spec } },
      },
    },
    service("home", labels, { clusterIP: "None", ports: [{ port: PORTS.web }] }),
  ];
}

/** A Deployment of pods called "idle" that do nothing, so that what they cost is their start. */
export function idlePods(replicas: number): object {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "idle" },
    spec: { replicas, ...selecting({ app: "idle" }, { containers: [{ name: "idle", image: PAUSE }] }) },
  };
}

/** With a probe of each kind. */
function server(name: string, port: number = PORTS.web, udpPort: number = PORTS.udp): object {
  return {
    name,
    image: AGNHOST,
    args: ["netexec", `--http-port=${port}`, `--udp-port=${udpPort}`],
    startupProbe: { exec: { command: ["true"] }, periodSeconds: 1 },
    readinessProbe: { httpGet: { path: "/healthz", port }, periodSeconds: 1, ...PATIENT },
    livenessProbe: { tcpSocket: { port }, periodSeconds: 1, ...PATIENT },
  };
}

function everywhere(name: string, pod: object): object {
  return { apiVersion: "apps/v1", kind: "DaemonSet", metadata: { name }, spec: selecting({ app: name }, pod) };
}

function selecting(labels: object, pod: object): object {
  const spec = { terminationGracePeriodSeconds: 0, ...pod };
  return { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } };
}

function service(name: string, selector: object, spec: object): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { selector, ipFamilyPolicy: "PreferDualStack", ...spec },
  };
}
