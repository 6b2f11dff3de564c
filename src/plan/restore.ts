/**
 * Restoring what somebody else has wiped: after `nft flush ruleset` or the like the next ADD that makes one of our
 * tables anew puts back what all the other attachments on record had in them.
 *
 * A mark on disk, set before the table is made and taken away after all is back, has a later ADD go on where a killed
 * one left off.
 */

import type { Resource } from "../core/plan.ts";
import { removeFileIfExists } from "../linux/file.ts";
import { exists } from "../linux/libc-file.ts";
import { closeNetns, openNetnsIfExists } from "../linux/netns.ts";
import { missedTableMark } from "../resources/kernel.ts";
import { apply, type Machine, type UndoStack } from "./engine.ts";
import { type AttachmentRecord, listRecords } from "./record.ts";

/** Puts back all attachments' nf_tables objects of the host, where a table had been missed. Throws FileError. */
export function restoreTables(runFolder: string, machine: Machine, warn: (sentence: string) => void): void {
  const mark = missedTableMark(runFolder);
  if (!exists(mark)) return;
  for (const record of listRecords(runFolder, warn)) {
    // What is pending another ADD is about to make; and the addresses of a dead container may be another one's by now.
    if (record.state !== "complete" || !isAlive(record)) continue;
    // What was put back stays when this ADD fails: it belongs to the others.
    const undo: UndoStack = { own: [], shared: [] };
    try {
      apply(record.resources.filter(isInTable), machine, undo);
    } catch (error) {
      const { network, containerId } = record.key;
      warn(`Cannot restore the rules of container "${containerId}" in network "${network}": ${error}`);
    }
  }
  removeFileIfExists(mark);
  machine.step?.();
}

/** Connections that began while the table was missing have gone another way. */
function isInTable({ kind, where }: Resource): boolean {
  return where === "host" && (kind.startsWith("nft-") || kind === "conntrack");
}

function isAlive({ netns: { path, id } }: AttachmentRecord): boolean {
  const netns = openNetnsIfExists(path);
  if (netns === undefined) return false;
  closeNetns(netns);
  return netns.id === id;
}
