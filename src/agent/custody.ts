/**
 * Who has the node's addresses: they are given by ADD, taken back by DEL, by what was noted while there was no agent, and
 * when their pods are gone without a word. What the kernel remembers of an address goes with it.
 */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import type { Log } from "../cluster/log.ts";
import { repeat } from "../cluster/repeat.ts";
import { errorMessage } from "../core/errors.ts";
import type { AddressTable } from "../ipam/cluster/address-table.ts";
import { bootId } from "../linux/boot.ts";
import { uptime } from "../linux/uptime.ts";
import type { Addresses } from "./addresses.ts";
import { addressFlusher, LateFlusher } from "./flush.ts";
import { Garbage } from "./garbage.ts";
import { type ClusterIpam, clusterIpam, netnsId } from "./ipam.ts";
import { ReleaseNotes } from "./release-notes.ts";

export interface CustodyOptions {
  readonly runFolder: string;
  readonly store: ClusterStore;
  readonly addresses: Addresses;
  readonly table: AddressTable;
  readonly log: Log;
}

/** Milliseconds between two looks for pods that are gone, and between suspecting one and being sure. */
const LOOK = 30_000;

export class Custody {
  readonly ipam: ClusterIpam;
  readonly #log: Log;
  readonly #garbage: Garbage;
  readonly #notes: ReleaseNotes;
  readonly #flusher: LateFlusher;

  /** Takes back at once what former boots and noted calls have left. Throws FileError, NetlinkError. */
  constructor({ runFolder, store, addresses, table, log }: CustodyOptions) {
    this.#log = log;
    this.#flusher = new LateFlusher(addressFlusher(), (error, addresses) =>
      log.error("what the kernel remembers of addresses could not be flushed", {
        addresses,
        error: errorMessage(error),
      }),
    );
    this.ipam = clusterIpam({
      store,
      addresses,
      table,
      bootId: bootId(),
      uptime,
      released: (addresses) => this.#flusher.note(addresses),
      given: (addresses) => this.#flusher.require(addresses),
      drain: (owner) => this.#notes.drainOwner(owner),
    });
    const release = (owner: string) => this.ipam.release(owner);
    this.#garbage = new Garbage({
      owners: () => table.owners.list(),
      netnsId,
      bootId: bootId(),
      clock: uptime,
      patience: LOOK,
      release,
    });
    this.#notes = new ReleaseNotes({
      runFolder,
      bootId: bootId(),
      owners: (network) => table.owners.list(network),
      release,
      warn: (sentence) => log.warn(sentence),
    });
    const former = this.#garbage.releaseFormerBoots();
    if (former.length > 0) log.info("pods of a former boot gave their addresses back", { count: former.length });
    this.#notes.drain();
  }

  start(signal: AbortSignal, failed: (error: unknown) => void): void {
    const look = (): void => {
      this.#notes.drain();
      for (const owner of this.#garbage.look()) this.#log.warn("a pod is gone without DEL", { owner });
    };
    repeat(LOOK, signal, look, failed);
  }

  close(): void {
    this.#flusher.close();
  }
}
