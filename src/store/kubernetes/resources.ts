/**
 * Which resource of the API holds the documents of a kind, and how a document lies in an object.
 *
 * All are custom resources with the document as their `spec`, but for heartbeats: those are Leases, which Kubernetes has
 * for just this. They are small and cheap to write, and `kubectl get leases` shows who is alive.
 */

export const GROUP = "tendril.dev";
export const VERSION = "v1";

/** Where everything lies that has a namespace. */
export const NAMESPACE = "tendril-system";

export interface ApiObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: Metadata;
  readonly spec?: unknown;
  readonly status?: unknown;
}

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly { readonly kind: string; readonly name: string; readonly controller?: boolean }[];
}

/** @see RFC 6902 */
export interface Patch {
  readonly op: "add" | "replace";
  readonly path: string;
  readonly value: unknown;
}

export interface Resource {
  /** Of the collection. */
  readonly path: string;
  /** Those among the collection's objects that are documents; all unless given. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The name of an object's document; the object's own unless given. */
  readonly nameOf?: (object: ApiObject) => string;
  /** An object for a new document, without its name. */
  readonly objectOf: (value: unknown) => Omit<ApiObject, "metadata"> & { readonly metadata?: Omit<Metadata, "name"> };
  /** What makes an object that is there one of another document, and leaves alone what others have added to it. */
  readonly patchOf: (value: unknown) => readonly Patch[];
  readonly valueOf: (object: ApiObject) => unknown;
}

/** The resources by the kind of their documents, as `core/cluster.ts` has them. */
export function clusterResources(namespace: string = NAMESPACE): Readonly<Record<string, Resource>> {
  return {
    nodes: customResource("tendrilnodes", "TendrilNode"),
    pools: customResource("pools", "Pool"),
    blocks: customResource("blocks", "Block"),
    reservations: customResource("reservations", "Reservation"),
    heartbeats: heartbeats(namespace),
    leaders: leaders(namespace),
  };
}

/** A custom resource of the whole cluster, whose `spec` is the document. */
export function customResource(plural: string, kind: string, group: string = GROUP): Resource {
  return {
    path: `/apis/${group}/${VERSION}/${plural}`,
    objectOf: (value) => ({ apiVersion: `${group}/${VERSION}`, kind, spec: value }),
    patchOf: (value) => [{ op: "add", path: "/spec", value }],
    valueOf: ({ spec }) => spec,
  };
}

const LEASES = "coordination.k8s.io/v1";

/** The collection of Leases of a namespace. */
export function leasesPath(namespace: string): string {
  return `/apis/${LEASES}/namespaces/${namespace}/leases`;
}

export interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

/** A Lease without its name, renewed now. */
export function leaseOf(spec: LeaseSpec): Omit<ApiObject, "metadata"> {
  return { apiVersion: LEASES, kind: "Lease", spec: { ...spec, renewTime: microTime() } };
}

/** By name, or namespace and name with a slash between. */
export function qualifiedName({ metadata: { namespace, name } }: ApiObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** A time in the form that other objects have: in whole seconds. `now` is in milliseconds of the epoch. */
export function secondsTime(now = Date.now()): string {
  return new Date(now).toISOString().replace(/\.\d+Z/, "Z");
}

/** The time in the one form that a Lease takes: with microseconds. */
export function microTime(): string {
  return new Date().toISOString().replace("Z", "000Z");
}

/** The document as JSON, beside what the Lease says of it in its own words. */
const HEARTBEAT = `${GROUP}/heartbeat`;

function heartbeats(namespace: string): Resource {
  const labels = { [HEARTBEAT]: "true" };
  const specOf = (value: unknown) => leaseOf({ holderIdentity: incarnationOf(value) }).spec;
  return {
    path: leasesPath(namespace),
    labels,
    objectOf: (value) => ({
      ...leaseOf({ holderIdentity: incarnationOf(value) }),
      metadata: { labels, annotations: { [HEARTBEAT]: JSON.stringify(value) } },
    }),
    patchOf: (value) => [
      { op: "add", path: `/metadata/annotations/${HEARTBEAT.replace("/", "~1")}`, value: JSON.stringify(value) },
      { op: "add", path: "/spec", value: specOf(value) },
    ],
    valueOf: ({ metadata }) => parsed(metadata.annotations?.[HEARTBEAT]),
  };
}

/** Who of several like processes does the work, by the Lease of that name; what it says of itself is in the Lease's words. */
function leaders(namespace: string): Resource {
  const specOf = (value: unknown) => leaseOf(value as LeaseSpec).spec;
  return {
    path: leasesPath(namespace),
    objectOf: (value) => leaseOf(value as LeaseSpec),
    patchOf: (value) => [{ op: "add", path: "/spec", value: specOf(value) }],
    valueOf: ({ spec }) => spec,
  };
}

/** What is no JSON is no document either: its reader says so and passes it over, as it is. */
function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

function incarnationOf(value: unknown): string {
  const { incarnation } = (value ?? {}) as { incarnation?: unknown };
  return String(incarnation);
}
