/**
 * A node's network: what it is made of here, and the ways from here to all other nodes, kept as the cluster and the
 * machine change.
 */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import type { Log } from "../cluster/log.ts";
import { repeat } from "../cluster/repeat.ts";
import { errorMessage } from "../core/errors.ts";
import { familyOf } from "../core/ip.ts";
import { attachmentMac } from "../core/names.ts";
import { overheadOf } from "../modes/index.ts";
import {
  IPIP_LINK,
  type LocalNode,
  ROUTE_PROTOCOL,
  SIT_LAN_LINK,
  SIT_LINK,
  type Uplink,
  VXLAN_LINK,
} from "../modes/mode.ts";
import { clusterMtu, mtuProblem, nodeMtu } from "../modes/mtu.ts";
import { setNetworkMtu } from "../plan/mtu.ts";
import { ownedInKernel } from "../plan/owned.ts";
import { Reconciler } from "../plan/reconcile.ts";
import { restoreTables } from "../plan/restore.ts";
import { kindsWithoutLeases } from "../plan/service.ts";
import { whileSharing } from "../plan/shared.ts";
import { watchOwned } from "../plan/watch-owned.ts";
import { Kernel } from "../resources/kernel.ts";
import { kernelKinds } from "../resources/kinds.ts";
import { Bgp } from "./bgp.ts";
import type { ClusterConfig } from "./config.ts";
import type { NodeFields } from "./membership.ts";
import type { Metrics } from "./metrics.ts";
import { Picture } from "./picture.ts";
import { type Probed, Probing } from "./probing.ts";
import { watchUplinks } from "./uplink-watch.ts";
import { listUplinks, nodeAddresses, wayMtus } from "./uplinks.ts";
import { VERSION } from "./version.ts";
import { type PeerState, Ways } from "./ways.ts";

export interface NetworkOptions {
  readonly config: ClusterConfig;
  readonly runFolder: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Addresses of the node's own end of the tunnels; none until it has some. */
  readonly tunnelAddresses: () => readonly string[];
  /** Told when others are to know something new of this node. */
  readonly changed: () => void;
  /** Told when the cluster has changed, and the node has been brought in line. */
  readonly updated: () => void;
  readonly failed: (error: unknown) => void;
}

/** Milliseconds between two looks at all that there should be. */
const RESTORE = 60_000;

export class Network {
  readonly picture: Picture;
  readonly #options: NetworkOptions;
  readonly #kernel: Kernel;
  readonly #reconciler: Reconciler;
  readonly #ways: Ways;
  readonly #probing: Probing;
  readonly #bgp: Bgp | undefined;
  #uplinks: readonly Uplink[];
  #addresses: readonly string[];
  readonly #wayMtus = new Map<string, number>();
  #ownMtu: number | undefined;
  /** What the ways were planned from, as text; what is another one by now is planned anew. */
  #planned = "";
  #podMtu: number | undefined;
  #isSettled = false;
  #hasFormer = true;

  /** Throws ConfigError where the node has no address, NetlinkError. */
  constructor(options: NetworkOptions) {
    const { config, runFolder, log, metrics } = options;
    this.#options = options;
    this.picture = new Picture(config.node);
    this.#kernel = new Kernel(undefined, runFolder);
    this.#reconciler = new Reconciler({ kinds: kindsWithoutLeases(kernelKinds), kernel: this.#kernel });
    const settings = config;
    this.#ways = new Ways({ picture: this.picture, reconciler: this.#reconciler, settings, log, metrics });
    this.#bgp = config.mode === "bgp" ? new Bgp({ config, runFolder, picture: this.picture, log }) : undefined;
    this.#probing = new Probing({
      // Before that the addresses are not on a link.
      own: () => (this.#isSettled ? options.tunnelAddresses() : []),
      peers: () => this.#probed(),
      mtu: () => this.#podMtu,
      log,
      failed: options.failed,
    });
    this.#uplinks = listUplinks(this.#socket, config.bridge);
    this.#addresses = nodeAddresses(this.#socket, this.#uplinks, config.addresses);
    this.#reconciler.adopt(ownedInKernel(this.#kernel, OWNED));
  }

  get #socket() {
    return this.#kernel.route("host");
  }

  /** What others are to know of the node. */
  get fields(): NodeFields {
    const { config, tunnelAddresses } = this.#options;
    const { mtu } = this;
    const podAddresses = tunnelAddresses();
    return {
      addresses: this.#addresses,
      tunnelMac: tunnelMac(config),
      modes: [config.mode],
      labels: config.labels,
      agentVersion: VERSION,
      ...(config.mode === "bgp" && { bgp: { as: config.bgp.as, routeReflector: config.bgp.routeReflector } }),
      ...(podAddresses.length > 0 && { podAddresses }),
      ...(mtu !== undefined && { mtu }),
    };
  }

  /** The longest packet of a pod that this node can send to every other, in bytes. */
  get mtu(): number | undefined {
    return this.#options.config.mtu ?? this.#ownMtu;
  }

  /** The longest that all nodes take, which pods are to have. */
  get podMtu(): number | undefined {
    return this.#podMtu;
  }

  /** Whether the node has had its ways to all others once. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  get peers(): ReadonlyMap<string, PeerState> {
    return this.#ways.peers;
  }

  get resources(): { readonly owned: number; readonly reconciled: number; readonly failed: number } {
    const { count, failedCount } = this.#reconciler;
    return { owned: count, reconciled: this.#ways.reconciled, failed: failedCount };
  }

  /** What the last probes of a node gave. */
  probeOf(node: string) {
    return this.#probing.of(node);
  }

  /** Why pods of this node reach no other node; undefined when they do. */
  get isolation(): string | undefined {
    return this.#probing.isAlone ? this.#probing.problems[0] : undefined;
  }

  /** The nodes that there is a way to. */
  #probed(): Probed[] {
    const { config } = this.#options;
    return [...this.peers.values()].flatMap(({ peer, direct, problem }) =>
      problem !== undefined
        ? []
        : {
            name: peer.name,
            addresses: peer.addresses,
            own: this.picture.nodes.get(peer.name)?.value.podAddresses ?? [],
            by: direct ? "what pods send, under their own addresses," : TUNNEL_WORDS[config.mode](config),
          },
    );
  }

  /** What keeps the node from reaching others, each a sentence. */
  get problems(): string[] {
    const families = [...new Set(this.picture.prefixesOf(this.#options.config.node).map(familyOf))];
    const tooShort = this.#podMtu === undefined ? undefined : mtuProblem(this.#podMtu, families);
    return [
      ...(tooShort === undefined ? [] : [tooShort]),
      ...[...this.peers.values()].flatMap(({ problem }) => problem ?? []),
      ...this.#ways.failures,
      ...this.#probing.problems,
      ...(this.#bgp?.problem === undefined ? [] : [this.#bgp.problem]),
    ];
  }

  /** Follows the cluster and the machine until the signal comes. */
  start(store: ClusterStore, signal: AbortSignal): void {
    const { failed } = this.#options;
    const restoring = repeat(RESTORE, signal, () => this.#restore(), failed);
    const watch = watchOwned(this.#reconciler, () => restoring.soon(), failed);
    const uplinks = watchUplinks(
      () => this.#uplinks,
      () => restoring.soon(),
      failed,
    );
    for (const each of [watch, uplinks]) signal.addEventListener("abort", () => each.close(), { once: true });
    this.#probing.start(signal);
    let isDue = false;
    this.picture.follow(
      store,
      signal,
      () => {
        // What comes in one go is one change.
        if (isDue) return;
        isDue = true;
        setImmediate(() => {
          isDue = false;
          if (signal.aborted) return;
          this.#guard(() => this.update());
          this.#options.updated();
        });
      },
      failed,
    );
  }

  /** Brings the node in line with what is known by now. */
  update(): void {
    if (!this.picture.isWhole) return;
    const { config, tunnelAddresses } = this.#options;
    const changes = this.picture.takeChanges();
    this.#measure(changes.nodes);
    this.#setPodMtu(config.mtu ?? clusterMtu([...this.picture.nodes.values()].map(({ value }) => value)));
    const local: LocalNode = {
      name: config.node,
      uplinks: this.#uplinks,
      addresses: this.#addresses,
      tunnelMac: tunnelMac(config),
      tunnelAddresses: tunnelAddresses(),
      mtu: this.#podMtu ?? this.mtu ?? 1500,
    };
    const planned = JSON.stringify(local);
    this.#ways.update(local, { nodes: changes.nodes, node: changes.pools || planned !== this.#planned });
    this.#planned = planned;
    this.#bgp?.update(local);
    // What a former agent has left is in use until the node can make its own.
    if (this.#hasFormer && local.tunnelAddresses.length > 0) {
      this.#ways.dropFormer();
      this.#hasFormer = false;
    }
    this.#isSettled = true;
  }

  /** Looks at the machine again, and makes again what somebody has taken away. */
  #restore(): void {
    const { config, changed } = this.#options;
    const before = JSON.stringify(this.fields);
    this.#uplinks = listUplinks(this.#socket, config.bridge);
    this.#addresses = nodeAddresses(this.#socket, this.#uplinks, config.addresses);
    this.#measure(this.picture.nodes.keys());
    if (JSON.stringify(this.fields) !== before) changed();
    this.update();
    this.#ways.restore();
    this.#restorePods();
  }

  /** What pods had in tables that somebody has wiped: they must not wait for the next ADD to be guarded again. */
  #restorePods(): void {
    const { runFolder, log } = this.#options;
    const machine = { kernel: this.#kernel, kinds: kindsWithoutLeases(kernelKinds) };
    whileSharing(runFolder, () => restoreTables(runFolder, machine, (sentence) => log.warn(sentence)));
  }

  /** How long packets to some other nodes, and so to all, can be. */
  #measure(names: Iterable<string>): void {
    const { config, changed } = this.#options;
    const before = this.#ownMtu;
    const ask = wayMtus(this.#socket, this.#uplinks);
    for (const name of names) {
      const address = name === config.node ? undefined : this.picture.peer(name)?.addresses[0];
      const mtu = address === undefined ? undefined : ask(address.slice(0, address.indexOf("/")));
      if (mtu === undefined) this.#wayMtus.delete(name);
      else this.#wayMtus.set(name, mtu);
    }
    const local = { addresses: this.#addresses, uplinks: this.#uplinks };
    this.#ownMtu = nodeMtu(local, overheadOf(local, config), [...new Set(this.#wayMtus.values())]);
    if (this.#ownMtu !== before) changed();
  }

  /** Pods that are there get the new length, too. */
  #setPodMtu(mtu: number | undefined): void {
    const { config, runFolder, log } = this.#options;
    if (mtu === undefined || mtu === this.#podMtu) return;
    const isFirst = this.#podMtu === undefined;
    this.#podMtu = mtu;
    log.info("pods' packets can have so many bytes", { mtu });
    const warn = (sentence: string) => log.warn(sentence);
    const errors = setNetworkMtu(runFolder, config.network, mtu, warn);
    for (const error of errors) log.error("a pod's MTU could not be set", { error: errorMessage(error), isFirst });
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.failed(error);
    }
  }

  close(): void {
    this.#bgp?.leave();
    this.#kernel.close();
  }
}

/** What has to pass between nodes for a mode's tunnels. */
const TUNNEL_WORDS: Readonly<Record<ClusterConfig["mode"], (config: ClusterConfig) => string>> = {
  "host-gw": () => "what pods send",
  vxlan: ({ vxlan }) => `UDP port ${vxlan.port}`,
  ipip: () => "IP in IP (protocol 4)",
  bgp: () => "what pods send",
};

/** How what is ours is told from everybody else's. */
export const OWNED = { protocol: ROUTE_PROTOCOL, links: [VXLAN_LINK, IPIP_LINK, SIT_LINK, SIT_LAN_LINK] };

/** The same at every start, so that others need not learn it anew. */
function tunnelMac({ network, node }: ClusterConfig): string {
  return attachmentMac("tunnel", { network, containerId: node, ifname: VXLAN_LINK });
}
