/**
 * The pods of this node as Kubernetes has them, as far as their network is concerned: annotations and who they are of.
 *
 * They are followed, so an ADD need not ask. One that has not been seen yet is asked for once: the runtime may be quicker
 * than the watch.
 */

import type { Log } from "../../cluster/log.ts";
import { errorMessage, TryAgainError } from "../../core/errors.ts";
import { type ApiClient, ApiError } from "../../store/kubernetes/client.ts";
import { ObjectMirror, readMetadata } from "../../store/kubernetes/mirror.ts";
import type { ApiObject } from "../../store/kubernetes/resources.ts";
import { StoreUnavailableError } from "../../store/store.ts";
import { type Annotations, isOfNetworks, type PodFacts } from "./annotations.ts";

export interface PodsOptions {
  readonly client: ApiClient;
  readonly node: string;
  readonly log: Log;
  /** Told of a pod of this node, by namespace and name, that is gone. */
  readonly gone: (pod: string) => void;
}

/** A pod as the runtime names it. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
  /** Not every runtime tells it. */
  readonly uid: string | undefined;
}

type Known = Omit<PodFacts, "namespaceAnnotations">;

/**
 * A static pod has a UID of the kubelet's own, its image at the API server another one, which has the first in this
 * annotation. @see https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-config-hash
 */
const CONFIG_HASH = "kubernetes.io/config.hash";

export class Pods {
  readonly #client: ApiClient;
  readonly #log: Log;
  readonly #pods: ObjectMirror<Known>;
  readonly #namespaces: ObjectMirror<Annotations>;

  constructor({ client, node, log, gone }: PodsOptions) {
    this.#client = client;
    this.#log = log;
    this.#pods = new ObjectMirror({
      client,
      path: "/api/v1/pods",
      query: { fieldSelector: `spec.nodeName=${node}` },
      take: podOf,
      gone,
      state: this.#told("the node's pods"),
    });
    this.#namespaces = new ObjectMirror({
      client,
      path: "/api/v1/namespaces",
      take: annotationsOf,
      state: this.#told("namespaces"),
    });
  }

  /** How many are known of this node. */
  get size(): number {
    return this.#pods.size;
  }

  /** Follows them until the signal comes. */
  follow(signal: AbortSignal, failed: (error: unknown) => void): void {
    for (const mirror of [this.#pods, this.#namespaces]) void mirror.follow(signal).catch(failed);
  }

  /**
   * What is known of a pod; undefined for a static pod that the API server does not know or cannot be asked about: such
   * pods are there before it is. Throws TryAgainError for any other one.
   */
  async find(pod: PodName): Promise<PodFacts | undefined> {
    const key = `${pod.namespace}/${pod.name}`;
    try {
      const known = this.#pods.get(key);
      const facts = known !== undefined && isSame(known, pod) ? known : await this.#ask(pod);
      return { ...facts, namespaceAnnotations: await this.#ofNamespace(pod.namespace) };
    } catch (error) {
      if (pod.uid !== undefined && isStatic(pod.uid) && !(error instanceof ApiError && error.status !== 404)) {
        return undefined;
      }
      if (error instanceof StoreUnavailableError || error instanceof ApiError) {
        throw new TryAgainError(`Cannot learn what network pod "${key}" asks for: ${error.message}`, {
          cause: error,
          details: "Pods that this node has not heard of before need the API server, which tells their annotations.",
        });
      }
      throw error;
    }
  }

  /** Whether a pod, by namespace and name, is known to be of this node. */
  isKnown(key: string): boolean {
    return this.#pods.get(key) !== undefined;
  }

  /** Whether a pod, by namespace and name, is gone for sure. */
  async isGone(key: string): Promise<boolean> {
    const [namespace = "", name = ""] = key.split("/");
    try {
      await readMetadata(this.#client, pathOf({ namespace, name }));
      return false;
    } catch (error) {
      if (error instanceof ApiError) return error.status === 404 && error.reason === "NotFound";
      if (error instanceof StoreUnavailableError) return false;
      throw error;
    }
  }

  async #ask(pod: PodName): Promise<Known> {
    const found = podOf(await readMetadata(this.#client, pathOf(pod)));
    if (isSame(found, pod)) return found;
    throw new TryAgainError(`Pod "${pod.namespace}/${pod.name}" is another one by now than the runtime means`, {
      details: `The runtime speaks of UID ${pod.uid}, the API server of ${found.uid}.`,
    });
  }

  async #ofNamespace(name: string): Promise<Annotations> {
    const path = `/api/v1/namespaces/${name}`;
    return this.#namespaces.get(name) ?? annotationsOf(await readMetadata(this.#client, path));
  }

  #told(what: string): (problem: unknown) => void {
    return (problem) => {
      if (problem === undefined) this.#log.info(`${what} are followed again`);
      else this.#log.warn(`${what} cannot be followed`, { error: errorMessage(problem) });
    };
  }
}

function pathOf({ namespace, name }: Pick<PodName, "namespace" | "name">): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}

/** The kubelet names static pods by a hash. */
function isStatic(uid: string): boolean {
  return /^[0-9a-f]{32}$/.test(uid);
}

function isSame({ uid, annotations }: Known, wanted: PodName): boolean {
  return wanted.uid === undefined || uid === wanted.uid || annotations[CONFIG_HASH] === wanted.uid;
}

function podOf({ metadata }: ApiObject): Known {
  const { namespace = "", name, uid = "", annotations = {}, ownerReferences = [] } = metadata;
  const kept = Object.entries(annotations).filter(([key]) => isOfNetworks(key) || key === CONFIG_HASH);
  const controller = ownerReferences.find((owner) => owner.controller)?.kind;
  return { namespace, name, uid, annotations: Object.fromEntries(kept), controller };
}

function annotationsOf({ metadata: { annotations = {} } }: ApiObject): Annotations {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => isOfNetworks(key)));
}
