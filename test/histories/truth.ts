/**
 * What is so in a simulated cluster, whatever anybody in it takes it for: which pods there are, and who has which address.
 */

import type { BlockRecord } from "../../src/core/cluster.ts";
import { familyOf } from "../../src/core/ip.ts";
import type { Random } from "../support/random.ts";
import type { SimulatedStore } from "../support/simulated-store.ts";

/** What the histories are about, and how often it has happened. */
export const HAPPENINGS = [
  ...["given", "givenUp", "borrowed", "moved", "handedOver", "ended", "forgotten", "absent", "survived", "collected"],
  ...["rebooted", "fixed"],
] as const;

export interface Pod {
  readonly node: string;
  readonly owner: string;
  /** Of its reservation, if it has one. */
  readonly key: string | undefined;
}

export class Truth {
  readonly happened = new Map<string, number>(HAPPENINGS.map((what) => [what, 0]));
  /** Who uses each address, of those that have not been given up with their node. */
  readonly live = new Map<string, Pod>();
  /** Pods whose network namespaces exist, by their owners: also of nodes that are given up. */
  readonly pods = new Map<string, Pod>();
  readonly #store: SimulatedStore;
  readonly #random: Random;
  readonly #log: string[] = [];
  /** Where each owner of a reservation last was, with which address of each family. */
  readonly #seen = new Map<string, { readonly node: string; readonly address: string }>();
  /** Milliseconds of a clock of nobody's. */
  now = 0;

  constructor(store: SimulatedStore, random: Random) {
    this.#store = store;
    this.#random = random;
  }

  count(what: (typeof HAPPENINGS)[number]): void {
    this.happened.set(what, (this.happened.get(what) ?? 0) + 1);
  }

  say(line: string): void {
    this.#log.push(`${this.now} ${line}`);
  }

  story(): string {
    return this.#log.join("\n");
  }

  fail(why: string): never {
    throw new Error(`${why} (TENDRIL_TEST_SEED=${this.#random.seed} TENDRIL_TEST_HISTORIES=1)\n${this.story()}`);
  }

  /** An owner has been given an address. */
  hold(address: string, pod: Pod): void {
    const { node, owner, key } = pod;
    this.say(`${node} gives ${address} to ${owner}${key === undefined ? "" : ` as ${key}`}`);
    this.#take(address, pod);
    this.count("given");
    if (key === undefined) {
      this.#holdPlain(address, node);
      return;
    }
    const place = `${key} ${familyOf(address)}`;
    const seen = this.#seen.get(place);
    if (seen !== undefined && seen.address === address && seen.node !== node) this.count("moved");
    this.#seen.set(place, { node, address });
  }

  /** A pod of a node that was given up still has its address when the node has come back. */
  survive(address: string, pod: Pod): void {
    this.say(`${pod.owner} of ${pod.node} still has ${address}`);
    this.#take(address, pod);
    this.count("survived");
  }

  /** A pod is gone, however. */
  end(owner: string, why: string): void {
    this.pods.delete(owner);
    this.forget(owner, why);
  }

  /** A pod is without its addresses, as far as anybody else is concerned. */
  forget(owner: string, why: string): void {
    for (const [address, holder] of this.live) {
      if (holder.owner !== owner) continue;
      this.say(`${address} of ${owner}: ${why}`);
      this.live.delete(address);
    }
  }

  #take(address: string, pod: Pod): void {
    const holder = this.live.get(address);
    if (holder !== undefined && holder.owner !== pod.owner) {
      this.fail(`${address} of ${pod.owner} is held by ${holder.owner} of ${holder.node}`);
    }
    this.live.set(address, pod);
  }

  #holdPlain(address: string, node: string): void {
    const blocks = this.#store.documents("blocks").map(({ value }) => value as BlockRecord);
    if (blocks.some(({ lent }) => lent[address] === node)) this.count("borrowed");
    const kept = blocks.find(({ reserved }) => reserved?.[address] !== undefined);
    if (kept !== undefined) this.fail(`${address} is kept for ${kept.reserved?.[address]}`);
  }
}
