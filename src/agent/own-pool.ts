/**
 * The pool that pods have addresses of unless they ask for another one. The first node makes it where there is none: of the
 * networks that the configuration names, else of those that the cluster says, else of those that the configuration has for
 * that case.
 */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import type { Log } from "../cluster/log.ts";
import { ifUnchanged } from "../cluster/reclaim.ts";
import { DOCUMENT_VERSION, HOSTNAME_LABEL, type PoolRecord } from "../core/cluster.ts";
import { ConfigError, DecodeError } from "../core/errors.ts";
import { withoutLength } from "../core/ip.ts";
import { ApiError } from "../store/kubernetes/client.ts";
import { blockBitsFor } from "./block-size.ts";
import type { ClusterConfig } from "./config.ts";
import type { SaidNetworks } from "./pods/cluster-networks.ts";
import { type Candidate, misfit, unknown } from "./pool-networks.ts";

/** What Kubernetes says of it; each throws StoreUnavailableError, ApiError. */
export interface ClusterFacts {
  /** Throws DecodeError, too. */
  networks(): Promise<SaidNetworks | undefined>;
  /** Undefined for a node that it does not know. */
  podCidrs(): Promise<readonly string[] | undefined>;
  services(): Promise<readonly string[]>;
}

export interface OwnPoolOptions {
  readonly name: string;
  readonly config: Pick<
    ClusterConfig,
    "node" | "ipam" | "subnet" | "fallbackSubnet" | "ownSubnet" | "blockSize" | "masquerade" | "bridge"
  >;
  readonly store: Pick<ClusterStore, "nodes" | "pools">;
  /** Undefined for a cluster that is none of Kubernetes: then nothing but the configuration says it. */
  readonly facts: ClusterFacts | undefined;
  readonly log: Log;
  /** Milliseconds of a clock that nobody sets. */
  readonly clock: () => number;
}

/** Milliseconds within which a Node that is to have networks of its own has been given them. */
const GIVEN_WITHIN = 3000;

export class OwnPool {
  readonly #options: OwnPoolOptions;
  #isThere = false;
  #problem: string | undefined;
  #begun: number | undefined;

  constructor(options: OwnPoolOptions) {
    this.#options = options;
  }

  /** Whether it has been there once. One that an operator deletes afterwards is not made again. */
  get isThere(): boolean {
    return this.#isThere;
  }

  /** Why it cannot be made, a sentence with what to do. */
  get problem(): string | undefined {
    return this.#isThere ? undefined : this.#problem;
  }

  /**
   * Makes it where there is none and it is known of which networks; else says so. To be called until it is there. Throws
   * StoreUnavailableError.
   */
  async ensure(): Promise<void> {
    const { name, config, store, log } = this.#options;
    const known = this.#isThere ? undefined : await store.pools.get(name);
    if (this.#isThere || known !== undefined) {
      if (known !== undefined) this.#compare(known.value);
      this.#isThere = true;
      return;
    }
    try {
      const podCidrs = (await this.#options.facts?.podCidrs()) ?? [];
      const found = await this.#choose(podCidrs);
      if (found === undefined) return;
      await ifUnchanged(() => store.pools.create(name, this.#record(found.networks, podCidrs)));
      this.#isThere = true;
      // Another node may have been first.
      if (config.subnet.length === 0) log.info("the pool of the pods' networks", { pool: name, ...found });
    } catch (error) {
      const isExpected = error instanceof DecodeError || error instanceof ConfigError || error instanceof ApiError;
      if (!isExpected) throw error;
      this.#tell(
        `Pool "${name}" cannot be made: ${error.message}. Set "subnet" in the agent's configuration to networks that are nobody's, or make the pool: tendril pool create.`,
      );
    }
  }

  #compare({ cidrs }: PoolRecord): void {
    const { name, config, log } = this.#options;
    const { subnet } = config;
    if (subnet.length === 0 || String(cidrs) === String(subnet)) return;
    log.warn(`"subnet" is not what the pool "${name}" has, which counts`, { subnet, pool: cidrs });
  }

  /** Undefined when it is not known, or not yet. */
  async #choose(podCidrs: readonly string[]): Promise<Candidate | undefined> {
    const { config, facts, store, clock } = this.#options;
    const isParted = config.ipam === "node-cidr";
    // They say how large blocks are to be; that they are missing is told by who waits for them.
    if (isParted && podCidrs.length === 0) return undefined;
    if (config.subnet.length > 0) {
      const named = { networks: config.subnet, source: '"subnet" of the agent\'s configuration' };
      const wrong = isParted ? misfit(named, { podCidrs, services: [], nodes: [] }) : undefined;
      if (wrong === undefined) return named;
      this.#tell(wrong);
      return undefined;
    }
    const said = await facts?.networks();
    this.#begun ??= clock();
    // The Node may be about to be given its networks, by which it shows that the fallback is not meant.
    const isEarly = facts !== undefined && podCidrs.length === 0 && clock() - this.#begun < GIVEN_WITHIN;
    if (said === undefined && isEarly && config.fallbackSubnet.length > 0) {
      this.#problem = `Pool "${this.#options.name}" is made when the Node has had the time to be given podCIDRs`;
      return undefined;
    }
    const candidate = said ?? {
      networks: config.fallbackSubnet,
      source: '"fallbackSubnet" of the agent\'s configuration',
    };
    if (candidate.networks.length === 0) {
      if (facts !== undefined) this.#tell(unknown(podCidrs));
      return undefined;
    }
    const services = (await facts?.services()) ?? [];
    const nodes = [...(await store.nodes.list()).values()].flatMap(({ value }) => value.addresses.map(withoutLength));
    const problem = misfit(candidate, { podCidrs, services, nodes });
    if (problem === undefined) return candidate;
    this.#tell(problem);
    return undefined;
  }

  #record(networks: readonly string[], podCidrs: readonly string[]): PoolRecord {
    const { config } = this.#options;
    const { node, ipam, ownSubnet, masquerade, bridge } = config;
    return {
      version: DOCUMENT_VERSION,
      cidrs: networks,
      blockBits: blockBitsFor(config, networks, ipam === "node-cidr" ? podCidrs : []),
      nodeSelector: ownSubnet ? { [HOSTNAME_LABEL]: node } : {},
      excluded: [],
      masquerade,
      ...(bridge === undefined ? {} : { gateways: true }),
    };
  }

  #tell(problem: string): void {
    if (problem !== this.#problem) this.#options.log.error(problem);
    this.#problem = problem;
  }
}
