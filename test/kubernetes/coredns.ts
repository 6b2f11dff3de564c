/** Cluster DNS as installers deploy it, with CoreDNS from the image of our own. */

import type { Family } from "../../src/core/ip.ts";
import { COREDNS } from "./images.ts";
import { dnsAddress } from "./worker.ts";

const NAMESPACE = "kube-system";
const NAME = "coredns";
const LABELS = { "k8s-app": "kube-dns" };

const COREFILE = `
.:53 {
  errors
  health {
    lameduck 1s
  }
  ready
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
  }
  cache 5
  loadbalance
}
`;

/** The objects of a deployment with so many replicas. */
export function coreDns(families: readonly Family[], replicas = 1): object[] {
  const metadata = { name: NAME, namespace: NAMESPACE };
  const ports = [
    { name: "dns", port: 53, protocol: "UDP" },
    { name: "dns-tcp", port: 53, protocol: "TCP" },
  ];
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "system:coredns" },
      rules: [
        { apiGroups: [""], resources: ["endpoints", "services", "pods", "namespaces"], verbs: ["list", "watch"] },
        { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
      ],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "system:coredns" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:coredns" },
      subjects: [{ kind: "ServiceAccount", ...metadata }],
    },
    { apiVersion: "v1", kind: "ConfigMap", metadata, data: { Corefile: COREFILE } },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { ...metadata, labels: LABELS },
      spec: {
        replicas,
        selector: { matchLabels: LABELS },
        template: {
          metadata: { labels: LABELS },
          spec: {
            serviceAccountName: NAME,
            priorityClassName: "system-cluster-critical",
            dnsPolicy: "Default",
            containers: [
              {
                name: NAME,
                image: COREDNS,
                args: ["-conf", "/etc/coredns/Corefile"],
                readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
                livenessProbe: { httpGet: { path: "/health", port: 8080 } },
                volumeMounts: [{ name: "config", mountPath: "/etc/coredns", readOnly: true }],
              },
            ],
            volumes: [{ name: "config", configMap: { name: NAME } }],
          },
        },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "kube-dns", namespace: NAMESPACE, labels: LABELS },
      spec: { clusterIP: dnsAddress(families), ipFamilyPolicy: "PreferDualStack", selector: LABELS, ports },
    },
  ];
}

/** Where pods ask the name server of their own node, whichever that is: an address that each node has for itself. */
export const NODE_LOCAL: Readonly<Record<Family, string>> = { 4: "169.254.20.10", 6: "fd00:169:254:20::10" };

/**
 * Name servers on all nodes, in the nodes' network, beside those of {@link coreDns}. Each answers at all of its node's
 * addresses. @see NodeLocal DNSCache of Kubernetes
 */
export function nodeLocalDns(): object[] {
  const metadata = { name: "node-local-dns", namespace: NAMESPACE };
  const labels = { "k8s-app": metadata.name };
  const data = { Corefile: "cluster.local:53 {\n  errors\n  kubernetes cluster.local\n  cache 5\n}\n" };
  return [
    { apiVersion: "v1", kind: "ConfigMap", metadata, data },
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { ...metadata, labels },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: NAME,
            hostNetwork: true,
            dnsPolicy: "Default",
            tolerations: [{ operator: "Exists" }],
            containers: [
              {
                name: metadata.name,
                image: COREDNS,
                args: ["-conf", "/etc/coredns/Corefile"],
                volumeMounts: [{ name: "config", mountPath: "/etc/coredns", readOnly: true }],
              },
            ],
            volumes: [{ name: "config", configMap: { name: metadata.name } }],
          },
        },
      },
    },
  ];
}
