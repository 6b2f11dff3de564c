/** GC: the leases of attachments that are no more. @see https://www.cni.dev/docs/spec/#gc-clean-up-any-stale-resources */

import { familyOf, parseIp } from "../../core/ip.ts";
import type { ValidAttachment } from "../../core/plugin.ts";
import { isCutOff, leaseContent, legacyContent } from "./lease.ts";
import { type LeaseFile, readLeases } from "./lease-files.ts";
import { release, type Store } from "./store.ts";

/**
 * Releases every lease of the folder that no valid attachment can be the holder of.
 *
 * A legacy lease stays while any attachment of its container is valid. So does a lease that has lost its end and may
 * be that of a valid attachment, one that has no other lease of the family: to release it would give the address of a
 * running container to another one. An empty lease is nobody's. Throws FileError.
 */
export function collectGarbage(store: Store, validAttachments: readonly ValidAttachment[]): void {
  const { directory } = store;
  const valid = new Set(validAttachments.map(({ containerId, ifname }) => leaseContent(containerId, ifname)));
  const containers = new Set(validAttachments.map(({ containerId }) => legacyContent(containerId)));
  // Opened before anything is released, so that the index stays good for the calls that follow.
  store.index();
  const leases = readLeases(directory);
  const stale = leases.filter(
    ({ address, content }) => !valid.has(content) && !containers.has(content) && parseIp(address) !== undefined,
  );
  if (stale.length === 0) return;
  const served = new Set(leases.map(servedKey));
  const unserved = (lease: LeaseFile) =>
    [...valid].some(
      (content) => isCutOff(lease.content, content) && !served.has(servedKey({ address: lease.address, content })),
    );
  for (const lease of stale) {
    const path = `${directory}/${lease.address}`;
    if (lease.content !== "" && unserved(lease)) {
      store.warn(`Kept ${lease.address}: its lease file "${path}" is cut off and may be that of a running container`);
      continue;
    }
    release(store, lease.address);
    if (lease.content === "") store.warn(`Removed the empty lease file "${path}", which a killed ADD had left`);
  }
}

/** An attachment with the family that a lease of it serves. */
function servedKey({ address, content }: LeaseFile): string {
  return `${familyOf(address)} ${content}`;
}
