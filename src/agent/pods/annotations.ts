/**
 * What pods ask for by annotations: one table says for each what it may be, and where it may stand.
 *
 * A namespace's annotation is the default for its pods, but for those that make sense for one pod alone.
 */

import { poolName } from "../../core/cluster.ts";
import { AnnotationError, ConfigError } from "../../core/errors.ts";
import { familyOf } from "../../core/ip.ts";
import { interfaceName, ipText, list, mac, type Schema, text } from "../../core/schema.ts";
import { commaItems, jsonItems } from "./items.ts";
import { bitRate } from "./quantity.ts";
import { type Selection, selections } from "./selections.ts";

export type Annotations = Readonly<Record<string, string>>;

/** A pod as far as its network is concerned. */
export interface PodFacts {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly annotations: Annotations;
  /** The kind of its controller, such as `StatefulSet`; undefined for a pod of its own. */
  readonly controller: string | undefined;
  readonly namespaceAnnotations: Annotations;
}

/** What is asked for; undefined where nothing is. */
export interface PodWishes {
  readonly pool: string | undefined;
  /** One of a family at most, in canonical text. */
  readonly addresses: readonly string[] | undefined;
  readonly sticky: boolean;
  readonly mac: string | undefined;
  /** What the pod receives and what it sends, in bits a second. */
  readonly ingress: number | undefined;
  readonly egress: number | undefined;
  /** Further interfaces with addresses of the cluster. */
  readonly interfaces: readonly PodInterface[];
  /** Further networks, by their definitions. */
  readonly networks: readonly Selection[];
  /** The interface by which the pod's default routes lead, or none; the cluster's own where nothing is asked for. */
  readonly defaultRoute: string | undefined;
}

export interface PodInterface {
  readonly ifname: string;
  /** The usual one when undefined. */
  readonly pool: string | undefined;
}

/** In the place of an interface's name: the pod has no default route. */
export const NO_INTERFACE = "none";

interface Annotation<T> {
  readonly name: string;
  readonly schema: Schema<T>;
  /** It would be the same for all pods of a namespace, where each has to have another one. */
  readonly ofPodAlone?: true;
}

/** An annotation is text, also where it means a truth value. */
const truth: Schema<boolean> = (value, field) => {
  if (value === "true" || value === "false") return value === "true";
  throw new ConfigError(field, "must be true or false", { value });
};

/** Several are parted by commas, or are a list in JSON. */
const addresses: Schema<readonly string[]> = (value, field) => {
  const given = text(value, field);
  const found = list(ipText)(jsonItems(given, field) ?? commaItems(given), field);
  if (found.length === 0) throw new ConfigError(field, "must name an address", { value });
  const families = new Set(found.map((address) => familyOf(address)));
  if (families.size < found.length) {
    throw new ConfigError(field, "must have one address of a family at most", { value });
  }
  return found;
};

/** `INTERFACE` or `INTERFACE=POOL`, several parted by commas. */
const interfaces: Schema<readonly PodInterface[]> = (value, field) => {
  const found = commaItems(text(value, field)).map((item, i): PodInterface => {
    const [ifname, pool] = item.split(/=(.*)/s);
    const at = `${field}[${i}]`;
    return { ifname: interfaceName(ifname, at), pool: pool === undefined ? undefined : poolName(pool, at) };
  });
  if (new Set(found.map(({ ifname }) => ifname)).size === found.length) return found;
  throw new ConfigError(field, "must name each interface once", { value });
};

/** @see https://github.com/k8snetworkplumbingwg/multi-net-spec */
export const NETWORKS = "k8s.v1.cni.cncf.io/networks";

/** All of them. */
export const ANNOTATIONS = {
  pool: { name: "tendril.dev/pool", schema: poolName },
  addresses: { name: "tendril.dev/addresses", schema: addresses, ofPodAlone: true },
  sticky: { name: "tendril.dev/sticky", schema: truth },
  mac: { name: "tendril.dev/mac", schema: mac, ofPodAlone: true },
  ingress: { name: "kubernetes.io/ingress-bandwidth", schema: bitRate },
  egress: { name: "kubernetes.io/egress-bandwidth", schema: bitRate },
  interfaces: { name: "tendril.dev/interfaces", schema: interfaces },
  defaultRoute: { name: "tendril.dev/default-route", schema: interfaceName },
} as const satisfies Readonly<Record<string, Annotation<unknown>>>;

const NAMES: readonly string[] = [...Object.values(ANNOTATIONS).map(({ name }) => name), NETWORKS];

/** By which all of our own begin, so that a slip in a name is told. */
const OWN = "tendril.dev/";

/** Whether an annotation may be one of these. */
export function isOfNetworks(name: string): boolean {
  return NAMES.includes(name) || name.startsWith(OWN);
}

/** What a pod asks for. Throws AnnotationError for the first annotation that is wrong. */
export function wishesOf(pod: PodFacts): PodWishes {
  const podName = `pod "${pod.namespace}/${pod.name}"`;
  refuseUnknown(podName, pod.annotations);
  const read = <T>({ name, schema, ofPodAlone }: Annotation<T>): T | undefined => {
    const own = pod.annotations[name];
    if (own !== undefined) return checked(podName, name, own, schema);
    const usual = pod.namespaceAnnotations[name];
    if (usual === undefined) return undefined;
    const holder = `namespace "${pod.namespace}"`;
    if (ofPodAlone) throw new AnnotationError(holder, new ConfigError(name, "is for pods alone", { value: usual }));
    return checked(holder, name, usual, schema);
  };
  const wishes = {
    pool: read(ANNOTATIONS.pool),
    addresses: read(ANNOTATIONS.addresses),
    mac: read(ANNOTATIONS.mac),
    ingress: read(ANNOTATIONS.ingress),
    egress: read(ANNOTATIONS.egress),
    interfaces: read(ANNOTATIONS.interfaces) ?? [],
    networks: read({ name: NETWORKS, schema: selections(pod.namespace) }) ?? [],
    defaultRoute: read(ANNOTATIONS.defaultRoute),
  };
  return { ...wishes, sticky: wishes.addresses === undefined && isSticky(pod, podName, read(ANNOTATIONS.sticky)) };
}

/**
 * Nothing is kept for a pod that never comes back under its name. One that asks for it itself is told so; for a namespace
 * it is the rule for those that do.
 */
function isSticky({ controller, annotations }: PodFacts, podName: string, asked: boolean | undefined): boolean {
  if (asked !== true) return false;
  const comesBack = controller === undefined || controller === "StatefulSet" || controller === "Node";
  const { name } = ANNOTATIONS.sticky;
  if (comesBack || annotations[name] === undefined) return comesBack;
  const problem = `is for pods that come back under their names, as those of a StatefulSet, and this one is of a ${controller}`;
  throw new AnnotationError(podName, new ConfigError(name, problem, { value: annotations[name] }));
}

function refuseUnknown(holder: string, annotations: Annotations): void {
  for (const [name, value] of Object.entries(annotations)) {
    if (!name.startsWith(OWN) || NAMES.includes(name) || name === CONFIG_HASH) continue;
    const own = NAMES.filter((known) => known.startsWith(OWN)).join(", ");
    throw new AnnotationError(holder, new ConfigError(name, `is none of ours; there are ${own}`, { value }));
  }
}

/** On the agents' own pods. */
const CONFIG_HASH = "tendril.dev/config";

/** Who has an annotation of a pod, its own or its namespace's. */
export function holderOf({ namespace, name, annotations }: PodFacts, annotation: string): string {
  return annotations[annotation] === undefined ? `namespace "${namespace}"` : `pod "${namespace}/${name}"`;
}

function checked<T>(holder: string, name: string, value: string, schema: Schema<T>): T {
  try {
    return schema(value, name);
  } catch (error) {
    if (error instanceof ConfigError) throw new AnnotationError(holder, error);
    throw error;
  }
}
