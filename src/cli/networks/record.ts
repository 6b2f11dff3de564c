/** What a pod has been attached to beside the cluster's network, so that it can be taken off whatever is away by then. */

import type { AttachmentKey } from "../../core/names.ts";
import { formatHash, hash64 } from "../../core/names.ts";
import { namesIn, readTextIfExists, removeFileIfExists, TEMPORARY, writeFileAtomic } from "../../linux/file.ts";
import { networksFolder } from "../../linux/run-folder.ts";
import { setAside } from "../../plan/record.ts";
import type { PodNetwork } from "./pod-network.ts";

const VERSION = 1;

export interface NetworksRecord {
  readonly version: typeof VERSION;
  /** Of the attachment to the cluster's network. */
  readonly key: AttachmentKey;
  readonly netns: string;
  readonly args: readonly (readonly [string, string])[];
  /** In the order of ADD. */
  readonly networks: readonly PodNetwork[];
}

type Warn = (sentence: string) => void;

function pathOf(runFolder: string, key: AttachmentKey): string {
  const name = formatHash(hash64(`${key.network}\0${key.containerId}\0${key.ifname}`));
  return `${networksFolder(runFolder)}/${name}.json`;
}

/** Throws FileError. */
export function writeNetworks(runFolder: string, record: Omit<NetworksRecord, "version">): void {
  writeFileAtomic(pathOf(runFolder, record.key), JSON.stringify({ version: VERSION, ...record }));
}

/** The record of an attachment, or undefined. Throws FileError. */
export function readNetworks(runFolder: string, key: AttachmentKey, warn: Warn): NetworksRecord | undefined {
  return readRecord(pathOf(runFolder, key), warn);
}

/** Throws FileError. */
export function removeNetworks(runFolder: string, key: AttachmentKey): void {
  const path = pathOf(runFolder, key);
  removeFileIfExists(`${path}${TEMPORARY}`);
  removeFileIfExists(path);
}

/** All records of attachments to a network. Throws FileError. */
export function listNetworks(runFolder: string, network: string, warn: Warn): NetworksRecord[] {
  const folder = networksFolder(runFolder);
  return namesIn(folder)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name) => readRecord(`${folder}/${name}`, warn) ?? [])
    .filter(({ key }) => key.network === network);
}

/** One that does not parse is set aside with a message, and the rest goes on. */
function readRecord(path: string, warn: Warn): NetworksRecord | undefined {
  const text = readTextIfExists(path);
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as Partial<NetworksRecord> | null;
    if (record?.version === VERSION && Array.isArray(record.networks)) return record as NetworksRecord;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  setAside("record of a pod's networks", path, warn);
  return undefined;
}
