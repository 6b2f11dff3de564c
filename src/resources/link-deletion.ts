/**
 * Deleting links together.
 *
 * Deleting a link costs the kernel some 20 ms in which it waits for its readers, under one lock for the whole machine.
 * So deletions that meet are committed together, as a database does with its log: each marks its link as one of a
 * group, then queues for a lock; who holds the lock deletes the group, and those behind find their link gone. A process
 * that dies after marking leaves its link to the next deletion, which is what it wanted anyway.
 */

import { openLockFile } from "../linux/file.ts";
import { flock, LOCK_EX } from "../linux/libc.ts";
import { closeFile } from "../linux/libc-file.ts";
import { changeLink, deleteLinkGroup, findLinkByIndex } from "../linux/netlink/rtnetlink/link/link.ts";
import { NETLINK_ROUTE } from "../linux/netlink/socket.ts";
import type { HostSockets } from "./host-sockets.ts";
import type { Kernel } from "./kernel.ts";

/** The group of links that are about to be deleted: "tend" in ASCII, which no administrator's numbering will meet. */
const DOOMED_GROUP = 0x74656e64;

/** Deletes a link of the host, together with all that are waiting to be deleted. Nothing happens without it. */
export function deleteHostLink(kernel: Kernel, name: string): void {
  const link = kernel.link("host", name);
  if (link === undefined) return;
  kernel.forget("host", name);
  kernel.execute("host", changeLink({ index: link.index, group: DOOMED_GROUP }), "ENODEV");
  if (kernel.kept !== undefined) {
    kernel.kept.deletions.noteMarked();
    return;
  }
  const lock = openLockFile(lockPath(kernel.runFolder));
  try {
    flock(lock, LOCK_EX);
    // Its index may have been given to another link since.
    if (findLinkByIndex(kernel.route("host"), link.index)?.name !== name) return;
    kernel.execute("host", deleteLinkGroup(DOOMED_GROUP), "ENODEV");
  } finally {
    closeFile(lock);
  }
}

function lockPath(runFolder: string): string {
  return `${runFolder}/link-deletion.lock`;
}

/** Milliseconds that a marked link waits for others at most. */
const PATIENCE = 250;
/** Turns of the event loop in which no call has marked another link before those that are marked are deleted. */
const TURNS = 2;

export interface LinkDeletionsOptions {
  readonly runFolder: string;
  readonly sockets: HostSockets;
  /** Told why links that nobody waits for are still there; the next deletion tries again. */
  readonly failed: (error: unknown) => void;
}

/**
 * Deletions in a process that serves many calls: links are marked as each call comes to it, and deleted together as soon
 * as somebody waits for it ({@link settled}) and no other call stands in line, or else after a moment.
 */
export class LinkDeletions {
  readonly #options: LinkDeletionsOptions;
  #marked = 0;
  #batch = 0;
  #next: Promise<void> | undefined;
  #timer: Timer | undefined;

  /** The links are those of the namespace that the process is in. */
  constructor(options: LinkDeletionsOptions) {
    this.#options = options;
  }

  /** Whether links are marked and not deleted yet. */
  get pending(): boolean {
    return this.#marked > 0;
  }

  /** How many times marked links have been deleted: what was marked at another number is gone. */
  get batch(): number {
    return this.#batch;
  }

  /** Takes note of a marked link, which is deleted whether somebody waits for that or not. */
  noteMarked(): void {
    this.#marked++;
    this.#timer ??= setTimeout(() => void this.settled().catch(this.#options.failed), PATIENCE);
  }

  /** Deletes the marked links now, for who must not find them any more. Throws NetlinkError, FileError. */
  now(): void {
    if (this.pending) this.#deleteBatch();
  }

  /** Waits until all that are marked by now are gone. Throws NetlinkError, FileError. */
  async settled(): Promise<void> {
    if (this.pending) this.#next ??= this.#deleteOnceQuiet();
    await this.#next;
  }

  async #deleteOnceQuiet(): Promise<void> {
    // One turn takes a connection that stands in line, the next its call.
    for (let before = 0; before < this.#marked; ) {
      before = this.#marked;
      for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    this.#next = undefined;
    this.#deleteBatch();
  }

  /** Who waits for the same links finds them gone. */
  #deleteBatch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#marked = 0;
    this.#batch++;
    this.#delete();
  }

  /** Deletes what is marked, also what a killed process has left so. Throws NetlinkError, FileError. */
  #delete(): void {
    const { runFolder, sockets } = this.#options;
    const lock = openLockFile(lockPath(runFolder));
    const socket = sockets.take(NETLINK_ROUTE);
    try {
      flock(lock, LOCK_EX);
      socket.post(deleteLinkGroup(DOOMED_GROUP), (error) => {
        if (error !== undefined && error.code !== "ENODEV") throw error;
      });
      socket.flush();
    } finally {
      sockets.giveBack(NETLINK_ROUTE, socket);
      closeFile(lock);
    }
  }
}
