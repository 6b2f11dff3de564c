/**
 * What of Kubernetes' own objects is followed beside the cluster's documents, each as the few words of it that count.
 *
 * They are read alone: who would write one gets a TypeError.
 */

import { type ApiObject, GROUP, qualifiedName, type Resource, VERSION } from "./resources.ts";

/** A machine, as Kubernetes knows it. */
export interface Machine {
  readonly uid: string;
  /** Milliseconds of the epoch. */
  readonly since: number;
  /** Its addresses, without names. */
  readonly addresses: readonly string[];
  /** Such as `linux`; empty where its kubelet has not said it yet. */
  readonly os: string;
}

export interface Pod {
  readonly node?: string;
  /** Its addresses in the cluster's networks: none in its node's network, and none once it has ended. */
  readonly addresses: readonly string[];
}

/** Pods that come back under their names: so many, counted from `first`. */
export interface StatefulSet {
  readonly first: number;
  readonly replicas: number;
}

/** A pool with what is told of it, which the cluster's document leaves out. */
export interface PoolObject {
  readonly uid: string;
  /** Counts the changes of its document. */
  readonly generation: number;
  readonly spec: unknown;
  readonly status: unknown;
}

/** Networks of Services' addresses. */
export interface ServiceNetworks {
  readonly cidrs: readonly string[];
}

/** Where they are, from Kubernetes 1.33 on. */
export const SERVICE_NETWORKS = "/apis/networking.k8s.io/v1/servicecidrs";

/** The resources by the kind of their documents; those with a namespace are named `namespace/name`. */
export const watchedResources: Readonly<Record<string, Resource>> = {
  machines: readOnly("/api/v1/nodes", machineOf),
  pods: readOnly("/api/v1/pods", podOf),
  poolobjects: readOnly(`/apis/${GROUP}/${VERSION}/pools`, poolObjectOf),
  statefulsets: readOnly("/apis/apps/v1/statefulsets", statefulSetOf),
  servicenetworks: readOnly(SERVICE_NETWORKS, serviceNetworksOf),
};

function readOnly(path: string, read: (object: ApiObject) => unknown): Resource {
  const refuse = (): never => {
    throw new TypeError(`Objects of ${path} are not written`);
  };
  return { path, valueOf: read, nameOf: qualifiedName, objectOf: refuse, patchOf: refuse };
}

function machineOf({ metadata, status }: ApiObject): Machine {
  const { addresses = [] } = (status ?? {}) as { addresses?: readonly { type: string; address: string }[] };
  return {
    uid: metadata.uid ?? "",
    since: Date.parse(metadata.creationTimestamp ?? ""),
    addresses: addresses.filter(({ type }) => type.endsWith("IP")).map(({ address }) => address),
    os: metadata.labels?.["kubernetes.io/os"] ?? "",
  };
}

/** @see https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase */
const ENDED = ["Succeeded", "Failed"];

function podOf(object: ApiObject): Pod {
  const spec = (object.spec ?? {}) as { nodeName?: string; hostNetwork?: boolean };
  const status = (object.status ?? {}) as { phase?: string; podIPs?: readonly { ip: string }[] };
  const hasOwn = !spec.hostNetwork && !ENDED.includes(status.phase ?? "");
  return {
    ...(spec.nodeName !== undefined && { node: spec.nodeName }),
    addresses: hasOwn ? (status.podIPs ?? []).map(({ ip }) => ip) : [],
  };
}

export function serviceNetworksOf({ spec }: ApiObject): ServiceNetworks {
  return { cidrs: (spec as { cidrs?: readonly string[] } | undefined)?.cidrs ?? [] };
}

/** What counts of a StatefulSet. */
export function statefulSetOf(object: ApiObject): StatefulSet {
  const { replicas = 1, ordinals } = (object.spec ?? {}) as { replicas?: number; ordinals?: { start?: number } };
  return { first: ordinals?.start ?? 0, replicas };
}

function poolObjectOf({ metadata, spec, status }: ApiObject): PoolObject {
  return { uid: metadata.uid ?? "", generation: metadata.generation ?? 0, spec, status };
}
