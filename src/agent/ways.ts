/**
 * The node's ways to all others: from the picture of the cluster, by the mode, to resources that the reconciler keeps.
 *
 * Each other node is an owner of its own, so a change of one is work for that one.
 */

import type { Log } from "../cluster/log.ts";
import { errorMessage } from "../core/errors.ts";
import { addressBits, type Family, familyOf } from "../core/ip.ts";
import type { AddressResource, Resource } from "../core/plan.ts";
import { modes } from "../modes/index.ts";
import type { LocalNode, ModeSettings, Peer } from "../modes/mode.ts";
import { planNodeBase, planPeerBase } from "../modes/node.ts";
import type { Reconciler } from "../plan/reconcile.ts";
import type { Metrics } from "./metrics.ts";
import type { Picture } from "./picture.ts";

/** How a peer is reached, or why not. */
export interface PeerState {
  readonly peer: Peer;
  readonly direct: boolean;
  readonly problem: string | undefined;
}

export interface WaysOptions {
  readonly picture: Picture;
  readonly reconciler: Reconciler;
  readonly settings: ModeSettings;
  readonly log: Log;
  readonly metrics: Metrics;
}

const NODE = "node";

export class Ways {
  readonly #options: WaysOptions;
  readonly #peers = new Map<string, PeerState>();
  #failures: readonly string[] = [];
  #reconciled = 0;

  constructor(options: WaysOptions) {
    this.#options = options;
  }

  get peers(): ReadonlyMap<string, PeerState> {
    return this.#peers;
  }

  /** How often the node was brought in line. */
  get reconciled(): number {
    return this.#reconciled;
  }

  /** What the kernel has refused the last time, each a sentence. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** Brings the node in line with some changes, or with all that there is when the node itself is another. */
  update(local: LocalNode, changed: { readonly nodes: Iterable<string>; readonly node: boolean }): void {
    const { picture, reconciler, settings } = this.#options;
    const wanted: (readonly [owner: string, resources: readonly Resource[]])[] = [];
    if (changed.node) wanted.push([NODE, this.#planNode(local)]);
    const names = changed.node ? new Set([...picture.nodes.keys(), ...this.#peers.keys()]) : changed.nodes;
    for (const name of names) {
      if (name === local.name) continue;
      wanted.push([`peer ${name}`, this.#planPeer(name, local)]);
    }
    if (wanted.length > 0) this.#settle(reconciler.setMany(wanted), `mode ${settings.mode}`);
  }

  /** Makes everything again that somebody has taken away. */
  restore(): void {
    this.#settle(this.#options.reconciler.ensureAll(), "what somebody has taken away");
  }

  /** Removes what a former process made and nobody wants any more. */
  dropFormer(): void {
    this.#settle(this.#options.reconciler.dropAdopted(), "what a former agent has left");
  }

  #settle(errors: readonly unknown[], about: string): void {
    const { log, metrics } = this.#options;
    this.#failures = errors.map(errorMessage);
    this.#reconciled++;
    metrics.reconciled(errors.length);
    for (const error of this.#failures) log.error("a resource is not as it should be", { about, error });
  }

  #planNode(local: LocalNode): readonly Resource[] {
    const { picture, settings } = this.#options;
    const pools = [...picture.pools.values()].map(({ value }) => value);
    const families = familiesOf(pools.flatMap(({ cidrs }) => cidrs));
    return [
      ...planNodeBase({ families, pools }, local),
      ...(this.#canTunnel(local) ? modes[settings.mode].planNode(local, settings) : []),
      ...(hasTunnels(settings) ? [] : local.tunnelAddresses.map(onLoopback)),
    ];
  }

  #planPeer(name: string, local: LocalNode): readonly Resource[] {
    const { picture, settings } = this.#options;
    const peer = picture.peer(name);
    if (peer === undefined) {
      this.#peers.delete(name);
      return [];
    }
    const { resources, direct, problem } = modes[settings.mode].planPeer(peer, local, settings);
    this.#peers.set(name, { peer, direct, problem });
    const ways = this.#canTunnel(local) ? resources : [];
    return [...planPeerBase(peer, direct && problem === undefined), ...ways];
  }

  /** The node's end of the tunnels is made once it has its addresses, by which it knows the families of its pods. */
  #canTunnel({ tunnelAddresses }: LocalNode): boolean {
    return !hasTunnels(this.#options.settings) || tunnelAddresses.length > 0;
  }
}

/** Without a tunnel whose end they are of, the node's own addresses among the pods are its loopback's. */
function onLoopback(address: string): AddressResource {
  return { kind: "address", where: "host", link: "lo", address: `${address}/${addressBits(familyOf(address))}` };
}

function familiesOf(networks: readonly string[]): Family[] {
  return [...new Set(networks.map(familyOf))].sort();
}

/** Whether the node has an end of tunnels, which needs addresses. */
export function hasTunnels({ mode, bgp }: ModeSettings): boolean {
  return mode === "vxlan" || mode === "ipip" || (mode === "bgp" && bgp?.tunnel !== undefined);
}
