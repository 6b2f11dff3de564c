/**
 * A node of the cluster: the parts that an agent has beside serving calls, put together.
 *
 * Nothing stops when the store is away: pods go on, and new ones are given what the node has in hand.
 */

import { randomUUID } from "node:crypto";
import { type ClusterStore, clusterStore } from "../cluster/cluster-store.ts";
import type { Log } from "../cluster/log.ts";
import { Reclaim } from "../cluster/reclaim.ts";
import { repeat } from "../cluster/repeat.ts";
import { errorMessage } from "../core/errors.ts";
import { AddressTable } from "../ipam/cluster/address-table.ts";
import { bootClock } from "../linux/boot-clock.ts";
import { ensureFolder } from "../linux/file.ts";
import type { Warn } from "../store/collection.ts";
import type { ApiClient } from "../store/kubernetes/client.ts";
import { openStore } from "../store/open.ts";
import { type Store, StoreUnavailableError } from "../store/store.ts";
import { Addresses } from "./addresses.ts";
import type { ClusterConfig } from "./config.ts";
import { Custody } from "./custody.ts";
import { Membership } from "./membership.ts";
import type { Metrics, NodeFigures } from "./metrics.ts";
import { Network } from "./network.ts";
import { networkConfigText, writeNetworkConfig } from "./network-config.ts";
import { NodeCidrs } from "./node-cidrs.ts";
import { tellReadiness } from "./node-readiness.ts";
import { Orphans } from "./orphans.ts";
import { OwnPool } from "./own-pool.ts";
import { Kubernetes } from "./pods/kubernetes.ts";
import type { Pods } from "./pods/pods.ts";
import { RuntimeNetworks } from "./runtime-networks.ts";
import { Standing } from "./standing.ts";
import { StoreHealth } from "./store-health.ts";
import { TunnelAddresses } from "./tunnel-addresses.ts";

export interface NodeOptions {
  readonly config: ClusterConfig;
  readonly runFolder: string;
  readonly stateFolder: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Told of an owner whose addresses are another node's by now. */
  readonly lost: (owner: string) => void | Promise<void>;
  /** Takes an owner off the network whose pod does not exist any more. */
  readonly orphaned: (owner: string) => void;
}

/** How many free addresses of a pool in use a node has in hand. */
const SPARE = 8;

/** Milliseconds between two looks for attachments without a pod, and for which a pod has to be missing. */
const LOOK = 30_000;
const MISSING = 5 * 60_000;

/** Milliseconds between two looks for the pool where it is not there. */
const POOL_LOOK = 1000;

/** Milliseconds after which a block that nobody uses goes back to its pool. */
const IDLE = 10 * 60_000;

export class ClusterNode {
  readonly config: ClusterConfig;
  readonly store: ClusterStore;
  readonly table: AddressTable;
  readonly addresses: Addresses;
  readonly health: StoreHealth;
  readonly network: Network;
  readonly membership: Membership;
  readonly custody: Custody;
  /** Undefined for a node that is none of Kubernetes. */
  readonly kubernetes: Kubernetes | undefined;
  readonly #options: NodeOptions;
  readonly #ownPool: OwnPool;
  readonly #tunnelAddresses: TunnelAddresses;
  /** Undefined where nodes share the pool. */
  readonly #nodeCidrs: NodeCidrs | undefined;
  readonly #raw: Store;
  readonly #standing: Standing;
  /** Undefined for an agent that writes no network configuration. */
  readonly #runtimeNetworks: RuntimeNetworks | undefined;
  readonly #ending = new AbortController();
  #isAnnounced = false;

  /** Throws ConfigError where the configuration does not fit the machine, FileError, NetlinkError. */
  constructor(options: NodeOptions) {
    const { config, runFolder, stateFolder, log, metrics } = options;
    this.#options = options;
    this.config = config;
    ensureFolder(stateFolder);
    const warn: Warn = (sentence) => log.warn(sentence);
    this.#raw = openStore(config.store, config.storeOptions, { make: true });
    this.store = clusterStore(this.#raw, warn);
    this.health = new StoreHealth(log);
    const grace = config.grace * 1000;
    const heartbeat = config.heartbeat * 1000;
    // Two heartbeats beyond the grace that the node itself keeps to.
    const patience = grace + 2 * heartbeat;
    this.membership = new Membership(this.store, {
      node: config.node,
      incarnation: randomUUID(),
      clock: bootClock,
      grace,
      patience,
    });
    this.table = new AddressTable(`${stateFolder}/addresses.sqlite`);
    this.addresses = new Addresses(this.store, this.membership, this.table, {
      clock: Date.now,
      coolDown: config.coolDown * 1000,
      spare: SPARE,
      idle: IDLE,
      lost: options.lost,
      isGone: async (pod) => (await this.kubernetes?.pods.isGone(pod)) ?? false,
      territory: (pool) => (pool === this.pool ? this.#nodeCidrs?.territory : undefined),
      // The controller knows which owners are gone for good.
      ...(config.controller && { keep: Number.POSITIVE_INFINITY }),
    });
    this.#tunnelAddresses = new TunnelAddresses({
      table: this.table,
      addresses: this.addresses,
      pool: this.pool,
      changed: () => {
        this.network.update();
        this.#standing.publish();
        this.#standing.tendSoon();
      },
      failed: this.#failed,
    });
    this.kubernetes =
      config.kubernetes === undefined
        ? undefined
        : new Kubernetes(config.kubernetes, { config, log, gone: (pod) => void this.#forget(pod) });
    const { facts } = this.kubernetes ?? {};
    this.#nodeCidrs =
      config.ipam === "blocks" || facts === undefined
        ? undefined
        : new NodeCidrs({
            node: config.node,
            read: facts.podCidrs,
            changed: () => {
              this.addresses.keepHome();
              this.#standing.tendSoon();
            },
            clock: bootClock,
            log,
          });
    this.#ownPool = new OwnPool({
      name: this.pool,
      config,
      store: this.store,
      facts,
      log,
      clock: bootClock,
    });
    this.custody = new Custody({
      runFolder,
      store: this.store,
      addresses: this.addresses,
      table: this.table,
      log,
    });
    this.#runtimeNetworks =
      config.networkConfig === undefined ? undefined : new RuntimeNetworks(config.networkConfig, log);
    this.network = new Network({
      config,
      runFolder,
      log,
      metrics,
      tunnelAddresses: () => this.#tunnelAddresses.list,
      changed: () => this.#standing.publish(),
      updated: () => void this.#giveTunnelAddresses(),
      failed: this.#failed,
    });
    this.#standing = new Standing({
      store: this.store,
      membership: this.membership,
      addresses: this.addresses,
      picture: this.network.picture,
      table: this.table,
      reclaim: config.controller ? undefined : new Reclaim(this.store, { clock: bootClock, patience }),
      health: this.health,
      log,
      heartbeat,
      fields: () => this.network.fields,
      joined: () => this.#ownPool.ensure(),
      tended: () => void this.#giveTunnelAddresses(),
    });
  }

  /** The pool that the configuration's `subnet` is, and that pods have addresses of unless they ask for another one. */
  get pool(): string {
    return this.config.ownSubnet ? this.config.node : "default";
  }

  start(): void {
    const { signal } = this.#ending;
    this.network.picture.onReservations = (documents) => this.addresses.reservations.note(documents);
    // A reserved address that another node is to have is handed over at once, and more are offered once some are borrowed.
    this.network.picture.onStir = () => this.#standing.tendSoon();
    this.#nodeCidrs?.start(signal, this.#failed);
    this.#standing.start(signal);
    this.network.start(this.store, signal);
    this.custody.start(signal, this.#failed);
    this.#runtimeNetworks?.start(signal, this.#failed);
    this.kubernetes?.start(signal, this.#failed);
    if (this.kubernetes !== undefined) {
      this.#tellReadiness(this.kubernetes.client, signal);
      this.#takeOffOrphans(this.kubernetes.pods, signal);
    }
    repeat(POOL_LOOK, signal, () => this.#seeToPool(), this.#failed);
    void this.#announce(signal);
  }

  /** Ends what goes on; the network stays as it is. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#raw.close();
    this.kubernetes?.close();
    this.network.close();
    this.custody.close();
    this.table.close();
  }

  /** Why the node cannot serve, each a sentence; none when it can. */
  get obstacles(): string[] {
    const { config, health, network } = this;
    if (!this.#standing.isMember) {
      const why = health.problem === undefined ? "" : `: ${health.problem}`;
      return [`Node "${config.node}" is not a member of the cluster yet${why}`];
    }
    if (!network.isSettled) return [`Node "${config.node}" has not learnt of the other nodes yet`];
    const misfit = this.#misfit;
    if (misfit !== undefined) return [misfit];
    if (this.#ownPool.problem !== undefined) return [this.#ownPool.problem];
    const problem = this.addresses.problem(this.pool);
    if (problem !== undefined) return [`${problem.sentence}. ${problem.remedy}`];
    // Once it serves it may lose them for a moment, and pods need not.
    if (!this.#isAnnounced && !this.#tunnelAddresses.areThere) {
      const { problem } = this.#tunnelAddresses;
      const why = problem === undefined ? "" : `: ${problem}`;
      return [`Node "${config.node}" has no address of its own among the pods yet${why}`];
    }
    const { isolation } = network;
    return isolation === undefined ? [] : [`No other node can be reached. ${isolation}`];
  }

  /** What keeps pods from coming to the cluster's network although the node serves it, each a sentence. */
  get inTheWay(): readonly string[] {
    return this.#runtimeNetworks?.problems ?? [];
  }

  /** What an operator should look at, each a sentence; the obstacles are among them. */
  get problems(): string[] {
    const { health, obstacles, network } = this;
    const away =
      health.available || health.problem === undefined ? [] : [`The store does not answer: ${health.problem}`];
    return [...new Set([...obstacles, ...away, ...network.problems, ...this.inTheWay])];
  }

  get figures(): NodeFigures {
    const { network, health, table } = this;
    return {
      attachments: table.owners.list().length,
      peers: network.peers.size,
      problems: this.problems.length,
      storeAvailable: health.available,
      resources: network.resources,
      pools: this.addresses.use(),
    };
  }

  /** What was not there when the node joined may come to be known, or be made by somebody. */
  async #seeToPool(): Promise<void> {
    if (!this.#standing.isMember || this.#ownPool.isThere) return;
    await this.#ownPool.ensure();
    if (this.#ownPool.isThere) this.#standing.tendSoon();
  }

  #takeOffOrphans(pods: Pods, signal: AbortSignal): void {
    // The kubelet's own pods, which are named after the node, are there whether the API server knows them or not.
    const ofKubelet = `-${this.config.node}`;
    const orphans = new Orphans({
      owners: () => this.table.owners.list(),
      isKnown: (pod) => pods.isKnown(pod) || pod.endsWith(ofKubelet),
      isGone: (pod) => pods.isGone(pod),
      clock: bootClock,
      patience: MISSING,
      detach: this.#options.orphaned,
    });
    repeat(LOOK, signal, async () => void (await orphans.look()), this.#failed);
  }

  #tellReadiness(client: ApiClient, signal: AbortSignal): void {
    const { node } = this.config;
    const { log } = this.#options;
    const state = { isReady: () => this.isReady, obstacles: () => this.obstacles, inTheWay: () => this.inTheWay };
    tellReadiness({ client, node, ...state, clock: bootClock, log }, signal).catch(this.#failed);
  }

  /** What was kept for a pod because it asked for it ends with the pod. */
  async #forget(pod: string): Promise<void> {
    const { reservations } = this.addresses;
    try {
      if (reservations.isFixed(pod)) await reservations.unfix(pod, true);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #giveTunnelAddresses(): Promise<void> {
    const families = this.network.picture.pools.get(this.pool)?.value.cidrs.length ?? 0;
    if (this.#standing.isMember && this.#misfit === undefined) await this.#tunnelAddresses.ensure(families);
  }

  /** Why no address of the pool is the node's to give, as far as that is known. */
  get #misfit(): string | undefined {
    return this.#nodeCidrs?.problem(this.network.picture.pools.get(this.pool)?.value, this.pool);
  }

  /** Tells the container runtime, by its configuration, once the node can serve. */
  async #announce(signal: AbortSignal): Promise<void> {
    const { config } = this;
    const { log } = this.#options;
    let last = "";
    while (!signal.aborted && !this.#isAnnounced) {
      const { obstacles } = this;
      if (obstacles.length === 0) {
        if (config.networkConfig !== undefined) writeNetworkConfig(config.networkConfig, networkConfigText(config));
        // Known before anybody is told that the node is ready.
        this.#runtimeNetworks?.look();
        log.info("ready", { node: config.node, mode: config.mode, mtu: this.network.podMtu });
        this.#isAnnounced = true;
        return;
      }
      if (obstacles.join() !== last) log.info("not ready yet", { because: obstacles });
      last = obstacles.join();
      await Bun.sleep(50);
    }
  }

  /** Whether the node has served once: what comes in its way later is told by STATUS. */
  get isReady(): boolean {
    return this.#isAnnounced && this.obstacles.length === 0;
  }

  readonly #failed = (error: unknown): void => {
    if (this.#ending.signal.aborted) return;
    if (error instanceof StoreUnavailableError) this.health.failed(error);
    else
      this.#options.log.error("something went wrong", {
        error: error instanceof Error ? error.stack : errorMessage(error),
      });
  };
}
