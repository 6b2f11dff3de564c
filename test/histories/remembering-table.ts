/** A table of addresses that is asked how things stand only when they have changed: for thousands of nodes' lives. */

import { AddressTable } from "../../src/ipam/cluster/address-table.ts";

export class RememberingTable extends AddressTable {
  readonly #known = new Map<string, unknown>();
  /** As of which change. */
  #at = 0;

  override blocks(): ReturnType<AddressTable["blocks"]> {
    return this.#once("blocks", () => super.blocks());
  }

  override withheld(block: string): string[] {
    return this.#once(`withheld in ${block}`, () => super.withheld(block));
  }

  override given(): ReturnType<AddressTable["given"]> {
    return this.#once("given", () => super.given());
  }

  #once<T>(question: string, ask: () => T): T {
    const { changes } = this;
    if (changes !== this.#at) this.#known.clear();
    this.#at = changes;
    if (!this.#known.has(question)) this.#known.set(question, ask());
    return this.#known.get(question) as T;
  }
}
