/** Changing the MTU of attachments that are there, when the network's way to other nodes has become another. */

import type { VethLink, Where } from "../core/plan.ts";
import { changeLink } from "../linux/netlink/rtnetlink/link/link.ts";
import { closeNetns, openNetnsIfExists } from "../linux/netns.ts";
import { Kernel } from "../resources/kernel.ts";
import { type AttachmentRecord, listRecords, readRecord, writeRecord } from "./record.ts";

/**
 * Sets the MTU of both ends of each veth pair of a network's attachments, in bytes, and notes it in their records, by
 * which CHECK goes. Attachments whose namespace has gone are left alone. Returns what went wrong.
 */
export function setNetworkMtu(
  runFolder: string,
  network: string,
  mtu: number,
  warn: (sentence: string) => void,
): unknown[] {
  const errors: unknown[] = [];
  for (const record of listRecords(runFolder, warn, network)) {
    try {
      if (record.state === "complete") setAttachmentMtu(runFolder, record, mtu, warn);
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}

function setAttachmentMtu(
  runFolder: string,
  record: AttachmentRecord,
  mtu: number,
  warn: (sentence: string) => void,
): void {
  const pairs = record.resources.filter(isVeth);
  if (pairs.every((pair) => pair.mtu === mtu)) return;
  const netns = openNetnsIfExists(record.netns.path);
  if (netns === undefined) return;
  try {
    if (netns.id !== record.netns.id) return;
    const kernel = new Kernel(netns, runFolder);
    try {
      for (const { name, peer } of pairs) {
        setMtu(kernel, peer.where ?? "container", peer.name, mtu);
        setMtu(kernel, "host", name, mtu);
      }
    } finally {
      kernel.close();
    }
  } finally {
    closeNetns(netns);
  }
  // A plugin process may have removed the attachment since.
  if (readRecord(runFolder, record, warn) === undefined) return;
  const resources = record.resources.map((resource) => (isVeth(resource) ? { ...resource, mtu } : resource));
  writeRecord(runFolder, { ...record, resources });
}

function isVeth(resource: AttachmentRecord["resources"][number]): resource is VethLink {
  return resource.kind === "link" && resource.type === "veth";
}

/** That an end has gone, or another link has its name, is for CHECK to tell. */
function setMtu(kernel: Kernel, where: Where, name: string, mtu: number): void {
  const found = kernel.link(where, name);
  if (found?.info?.kind === "veth") kernel.execute(where, changeLink({ index: found.index, name, mtu }), "ENODEV");
}
