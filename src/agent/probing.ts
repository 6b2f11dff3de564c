/**
 * Which other nodes can be reached: each is probed when it is first heard of or is another than before, again soon while
 * something does not come through, and from time to time.
 */

import type { Log } from "../cluster/log.ts";
import { repeat } from "../cluster/repeat.ts";
import { type Family, familyOf } from "../core/ip.ts";
import { type Echo, listenEcho } from "./echo.ts";
import { type ProbeResult, type ProbeTarget, probe } from "./probe.ts";

/** A node to be probed. */
export interface Probed {
  readonly name: string;
  /** Its addresses in the fabric, for what is said to the operator. */
  readonly addresses: readonly string[];
  /** Its own addresses among the pods. */
  readonly own: readonly string[];
  /** How packets get there: what would have to pass on the way. */
  readonly by: string;
}

export interface ProbingOptions {
  /** This node's own addresses among the pods. */
  readonly own: () => readonly string[];
  readonly peers: () => readonly Probed[];
  readonly mtu: () => number | undefined;
  readonly log: Log;
  readonly failed: (error: unknown) => void;
}

export type FamilyResults = ReadonlyMap<Family, ProbeResult>;

interface State {
  /** Of what was probed, so that another one is probed at once. */
  readonly key: string;
  readonly at: number;
  readonly results: FamilyResults;
  readonly problem: string | undefined;
  /** How many probes in a row found something wrong. */
  readonly failures: number;
}

/** Milliseconds between two looks at who is to be probed. */
const LOOK = 1000;
/** Milliseconds after which a node is probed again: when all was well, and after many failures. */
const AGAIN = 10 * 60_000;
const AGAIN_AFTER_FAILURES = 15_000;
/** How many nodes are probed at a time. */
const AT_ONCE = 16;

export class Probing {
  readonly #options: ProbingOptions;
  readonly #states = new Map<string, State>();
  readonly #echoes = new Map<string, Echo>();

  constructor(options: ProbingOptions) {
    this.#options = options;
  }

  start(signal: AbortSignal): void {
    repeat(LOOK, signal, () => this.#look(signal), this.#options.failed);
    signal.addEventListener("abort", () => this.#close(), { once: true });
  }

  /** What the last probes of a node gave, and what is wrong in a sentence; undefined before the first. */
  of(node: string): Pick<State, "results" | "problem"> | undefined {
    return this.#states.get(node);
  }

  /** Each a sentence about one node. */
  get problems(): string[] {
    return [...this.#states.values()].flatMap(({ problem }) => problem ?? []);
  }

  /** Whether nothing at all comes from any other node, though there are some. */
  get isAlone(): boolean {
    const states = [...this.#states.values()];
    return states.length > 0 && states.every(({ results }) => [...results.values()].every(({ small }) => !small));
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { own, peers, mtu } = this.#options;
    const bytes = mtu();
    await this.#listen(own());
    if (bytes === undefined || own().length === 0) return;
    const known = peers();
    const names = new Set(known.map(({ name }) => name));
    for (const name of this.#states.keys()) if (!names.has(name)) this.#states.delete(name);
    const due = known.filter((peer) => this.#isDue(peer, bytes));
    for (let i = 0; i < due.length && !signal.aborted; i += AT_ONCE) {
      await Promise.all(due.slice(i, i + AT_ONCE).map((peer) => this.#probe(peer, bytes)));
    }
  }

  #isDue(peer: Probed, mtu: number): boolean {
    if (peer.own.length === 0) return false;
    const state = this.#states.get(peer.name);
    if (state === undefined || state.key !== keyOf(peer, mtu)) return true;
    return performance.now() - state.at >= pauseAfter(state.failures);
  }

  async #probe(peer: Probed, mtu: number): Promise<void> {
    const results = new Map<Family, ProbeResult>();
    for (const from of this.#options.own()) {
      const to = peer.own.find((address) => familyOf(address) === familyOf(from));
      if (to !== undefined) results.set(familyOf(from), await probe({ from, to, mtu } satisfies ProbeTarget));
    }
    const problem = problemOf(peer, results, mtu);
    const key = keyOf(peer, mtu);
    const { problem: before, failures = 0, key: keyBefore } = this.#states.get(peer.name) ?? {};
    if (problem !== undefined && problem !== before) this.#options.log.warn(problem, { peer: peer.name });
    if (problem === undefined && before !== undefined)
      this.#options.log.info("packets come through again", { peer: peer.name });
    this.#states.set(peer.name, {
      key,
      at: performance.now(),
      results,
      problem,
      failures: problem === undefined ? 0 : (key === keyBefore ? failures : 0) + 1,
    });
  }

  /** Answers on each of the node's own addresses. */
  async #listen(own: readonly string[]): Promise<void> {
    // Where a node is reached directly, what it sends of itself comes from its address in the fabric.
    const isNode = (address: string) =>
      this.#options
        .peers()
        .some((peer) => peer.own.includes(address) || peer.addresses.some((each) => each.startsWith(`${address}/`)));
    for (const address of own) {
      if (!this.#echoes.has(address)) this.#echoes.set(address, await listenEcho(address, isNode));
    }
    for (const [address, echo] of this.#echoes) {
      if (own.includes(address)) continue;
      echo.close();
      this.#echoes.delete(address);
    }
  }

  #close(): void {
    for (const echo of this.#echoes.values()) echo.close();
    this.#echoes.clear();
  }
}

/**
 * Milliseconds from a probe to the next one, by how many in a row found something wrong: soon at first, for what was
 * probed as the ways there were still being made is well a moment later.
 */
export function pauseAfter(failures: number): number {
  return failures === 0 ? AGAIN : Math.min(LOOK * 2 ** (failures - 1), AGAIN_AFTER_FAILURES);
}

function keyOf({ addresses, own, by }: Probed, mtu: number): string {
  return JSON.stringify([addresses, own, by, mtu]);
}

/** What does not come through, how long it is, and what to look at. */
function problemOf({ name, addresses, by }: Probed, results: FamilyResults, mtu: number): string | undefined {
  const at = addresses.map((address) => address.split("/")[0]).join(", ");
  for (const [family, { small, full, tcp }] of results) {
    const from = `Node "${name}" (${at}): IPv${family} packets`;
    if (!small) return `${from} of pods do not come through; look whether ${by} passes between the nodes`;
    if (!full) {
      return `${from} of ${mtu} bytes by UDP do not come through, small ones do; look at the MTU of the links between, or set "mtu" lower`;
    }
    if (!tcp) return `${from} by TCP do not come through, UDP does; look at firewalls and checksum offload on the way`;
  }
  return undefined;
}
