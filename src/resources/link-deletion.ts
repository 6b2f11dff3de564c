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
import type { Kernel } from "./kernel.ts";

/** The group of links that are about to be deleted: "tend" in ASCII, which no administrator's numbering will meet. */
const DOOMED_GROUP = 0x74656e64;

/** Deletes a link of the host, together with all that are waiting to be deleted. Nothing happens without it. */
export function deleteHostLink(kernel: Kernel, name: string): void {
  const link = kernel.link("host", name);
  if (link === undefined) return;
  kernel.forget("host", name);
  kernel.execute("host", changeLink({ index: link.index, group: DOOMED_GROUP }), "ENODEV");
  const lock = openLockFile(`${kernel.runFolder}/link-deletion.lock`);
  try {
    flock(lock, LOCK_EX);
    // Its index may have been given to another link since.
    if (findLinkByIndex(kernel.route("host"), link.index)?.name !== name) return;
    kernel.execute("host", deleteLinkGroup(DOOMED_GROUP), "ENODEV");
  } finally {
    closeFile(lock);
  }
}
