/**
 * NetworkAttachmentDefinitions, which say what a network beside the cluster's is. They are read when a pod asks for one,
 * so a change counts at once; what was read last serves while the API server is away.
 * @see https://github.com/k8snetworkplumbingwg/multi-net-spec/tree/master/v1.3, section 3
 */

import { TryAgainError } from "../../core/errors.ts";
import { object, optional, text } from "../../core/schema.ts";
import { type ApiClient, ApiError } from "../../store/kubernetes/client.ts";
import type { ApiObject } from "../../store/kubernetes/resources.ts";
import { StoreUnavailableError } from "../../store/store.ts";

export const DEFINITIONS_GROUP = "k8s.cni.cncf.io";

const fields = object({ config: optional(text) });

export class Definitions {
  readonly #client: ApiClient;
  readonly #known = new Map<string, string>();

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /**
   * The configuration of a definition as it stands there, empty where it names a file of the node; undefined where there is
   * none. Throws TryAgainError where that cannot be learnt, ConfigError for what is none.
   */
  async read(namespace: string, name: string): Promise<string | undefined> {
    const key = `${namespace}/${name}`;
    const path = `/apis/${DEFINITIONS_GROUP}/v1/namespaces/${namespace}/network-attachment-definitions/${name}`;
    try {
      const { spec } = await this.#client.call<ApiObject>({ path });
      const { config = "" } = fields(spec ?? {}, "spec");
      this.#known.set(key, config);
      return config;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        this.#known.delete(key);
        return undefined;
      }
      if (!(error instanceof ApiError) && !(error instanceof StoreUnavailableError)) throw error;
      const known = error instanceof StoreUnavailableError ? this.#known.get(key) : undefined;
      if (known !== undefined) return known;
      throw new TryAgainError(`Cannot read the NetworkAttachmentDefinition "${key}": ${error.message}`, {
        cause: error,
      });
    }
  }
}
