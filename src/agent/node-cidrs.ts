/**
 * The networks that Kubernetes gives to this node, of which alone its pods have addresses with `ipam: node-cidr`: asked for
 * until they are there, and looked at from time to time, for a Node can be deleted and made anew with others.
 *
 * It is asked by name. To watch one object takes the right to list all of them.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/node-v1/#NodeSpec
 */

import type { Log } from "../cluster/log.ts";
import { repeat } from "../cluster/repeat.ts";
import { cidrOf, type PoolRecord } from "../core/cluster.ts";
import { familyOf } from "../core/ip.ts";
import { holds } from "../core/networks.ts";
import { blockBitsOf, familiesOf } from "../ipam/cluster/blocks.ts";
import type { Territory } from "./home.ts";

export interface NodeCidrsOptions {
  readonly node: string;
  /** Undefined for a node that Kubernetes does not know. Throws StoreUnavailableError, ApiError. */
  readonly read: () => Promise<readonly string[] | undefined>;
  /** Told of networks that are others than before, at once. */
  readonly changed: () => void;
  /** Milliseconds of a clock that nobody sets. */
  readonly clock: () => number;
  readonly log: Log;
}

/** Milliseconds between two questions while there are none, and once there are. */
const MISSING = 2000;
const KNOWN = 60_000;

export class NodeCidrs {
  readonly #options: NodeCidrsOptions;
  #networks: readonly string[] | undefined;
  /** What the last answer was. */
  #answer: Answer | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(options: NodeCidrsOptions) {
    this.#options = options;
  }

  get territory(): Territory {
    return { networks: this.#networks };
  }

  start(signal: AbortSignal, failed: (error: unknown) => void): void {
    repeat(MISSING, signal, () => this.look(), failed);
  }

  /** Asks where it is time to. Throws StoreUnavailableError, ApiError. */
  async look(): Promise<void> {
    const { read, changed, clock, log, node } = this.#options;
    if (this.#answer === "networks" && clock() - this.#askedAt < KNOWN) return;
    const found = await read();
    this.#askedAt = clock();
    this.#answer = found === undefined ? "no Node" : found.length === 0 ? "no networks" : "networks";
    // A Node that is gone, or made anew and not given any yet, leaves to its pods what they have until there are others.
    if (found === undefined || this.#answer !== "networks" || String(found) === String(this.#networks)) return;
    log.info("the node's pods have addresses of its podCIDRs", { node, podCIDRs: found, before: this.#networks });
    this.#networks = found;
    changed();
  }

  /** Why pods cannot have addresses of them, a sentence with what to do; undefined when they can. */
  problem(pool: Pick<PoolRecord, "cidrs" | "blockBits"> | undefined, poolName: string): string | undefined {
    const { node } = this.#options;
    if (this.#networks === undefined) return missing(node, this.#answer);
    return pool && misfit(node, this.#networks, pool, poolName);
  }
}

type Answer = "no Node" | "no networks" | "networks";

function missing(node: string, answer: Answer | undefined): string {
  if (answer === undefined) return `Node "${node}" has not asked the API server for its podCIDRs yet`;
  return answer === "no networks"
    ? `Node "${node}" has no podCIDRs, of which its pods are to have addresses ("ipam: node-cidr"). Start the kube-controller-manager with --allocate-node-cidrs and --cluster-cidr, or take "ipam" out of the agent's configuration.`
    : `The API server knows no Node "${node}", of whose podCIDRs pods are to have addresses ("ipam: node-cidr"). See whether its kubelet has registered it, and whether "node" of the agent's configuration is its name.`;
}

/** Why a pool cannot be given of by these networks of a node. */
export function misfit(
  node: string,
  networks: readonly string[],
  pool: Pick<PoolRecord, "cidrs" | "blockBits">,
  name: string,
): string | undefined {
  const told = `Node "${node}" has the podCIDRs ${networks.join(", ")}`;
  const other = 'Make the pool anew with other networks ("subnet") or smaller blocks ("blockSize").';
  for (const family of familiesOf(pool)) {
    const own = networks.filter((each) => familyOf(each) === family);
    if (own.length === 0) {
      return `${told}, none of IPv${family}, of which pool "${name}" has addresses. Give nodes networks of both families (--cluster-cidr of the kube-controller-manager), or make the pool anew without.`;
    }
    const outside = own.find((each) => !pool.cidrs.some((cidr) => holds(cidr, each)));
    if (outside !== undefined) {
      return `${told}, of which ${outside} is none of pool "${name}" (${pool.cidrs.join(", ")}). ${other}`;
    }
    const bits = blockBitsOf(pool, family);
    const small = own.find((each) => cidrOf(each).bits > bits);
    if (small !== undefined) {
      return `${told}, of which ${small} is smaller than a block of pool "${name}", which is a /${bits}. ${other}`;
    }
  }
  return undefined;
}
