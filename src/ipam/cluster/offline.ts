/**
 * The cluster's IPAM plugin in a process that has no agent to ask: nothing is given, and what is to be released is noted
 * for the agent, which releases it when it is there again.
 */

import { NotAvailableError, TryAgainError, VerificationError } from "../../core/errors.ts";
import { type AttachmentKey, formatHash, hash64 } from "../../core/names.ts";
import type { Call, NetworkCall, Plugin, ValidAttachment } from "../../core/plugin.ts";
import { bootId } from "../../linux/boot.ts";
import { writeFileAtomic } from "../../linux/file.ts";
import { uptime } from "../../linux/uptime.ts";
import { keyOfCall, ownerName } from "./owner.ts";

/** The version of the notes' format; one of another is set aside. */
export const NOTE_VERSION = 1;

/** What an agent has to release. */
export type ReleaseNote = {
  readonly version: typeof NOTE_VERSION;
  readonly bootId: string;
  /** When the call began, in milliseconds since the boot. */
  readonly time: number;
} & (
  | { readonly verb: "del"; readonly key: AttachmentKey }
  | { readonly verb: "gc"; readonly network: string; readonly validAttachments: readonly ValidAttachment[] }
);

/** Where the notes lie. */
export function releaseFolder(runFolder: string): string {
  return `${runFolder}/releases`;
}

/** The one file of an attachment's note, so that a second DEL changes nothing. */
export function releaseNotePath(runFolder: string, owner: string): string {
  return `${releaseFolder(runFolder)}/${formatHash(hash64(owner))}.json`;
}

const WHAT_TO_DO = "When it should be running, its log says why it has ended.";

/** The plugin under one of its names, with the folder that a running agent reads. */
export function offlineIpam(type: "tendril" | "whereabouts", runFolder: string): Plugin {
  const sentence = (action: string) =>
    `Cannot ${action}: the node's agent is not running: start \`tendril agent\` on this node`;
  return {
    type,
    add: () => {
      throw new TryAgainError(sentence("give an address of the cluster"), { details: WHAT_TO_DO });
    },
    check: (call) => {
      if (call.config.prevResult?.ips?.length === 0) {
        throw new VerificationError(["prevResult has no address, and the cluster's IPAM always gives one"]);
      }
      throw new TryAgainError(sentence("check whose the addresses are"), { details: WHAT_TO_DO });
    },
    del: (call) => noteRelease(runFolder, call),
    gc: (call) => noteGarbage(runFolder, call),
    status: () => {
      throw new NotAvailableError(sentence("give addresses of the cluster"), { details: WHAT_TO_DO });
    },
  };
}

/** Throws FileError, so that the runtime calls DEL again. */
function noteRelease(runFolder: string, call: Call): void {
  const key = keyOfCall(call);
  const note: ReleaseNote = { ...stamp(), verb: "del", key };
  writeFileAtomic(releaseNotePath(runFolder, ownerName(key)), JSON.stringify(note), { contended: true });
}

/** An empty list releases all; a missing one nothing. */
function noteGarbage(runFolder: string, { config }: NetworkCall): void {
  const { name: network, validAttachments } = config;
  if (validAttachments === undefined) return;
  const note: ReleaseNote = { ...stamp(), verb: "gc", network, validAttachments };
  const path = `${releaseFolder(runFolder)}/gc-${formatHash(hash64(network))}.json`;
  writeFileAtomic(path, JSON.stringify(note), { contended: true });
}

function stamp(): Pick<ReleaseNote, "version" | "bootId" | "time"> {
  return { version: NOTE_VERSION, bootId: bootId(), time: uptime() };
}
