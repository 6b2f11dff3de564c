/**
 * The notes of DELs and GCs that came while there was no agent.
 *
 * A note may be read long after the attachment that it is about has been made anew under the same key, and must not
 * take the new one's address. For DEL the order of calls decides, no clock: a runtime calls nothing for a container while
 * another call for it is under way, so the note of a DEL that comes before an ADD is there when the ADD begins. An ADD
 * therefore drains its owner's note first (`drainOwner`, before anything is given); a note that is found at another time
 * is younger than what the owner has, and is carried out. A note is removed after it has been carried out: killed in
 * between, it is carried out again before the owner's next ADD, and finds nothing.
 *
 * The list of a GC is of the time at which the runtime made it, so owners that have been attached since, or shortly
 * before, stay; the next GC, or the second look for garbage, finds what is left of them. A note of another boot says
 * nothing about this one.
 */

import { DecodeError } from "../core/errors.ts";
import type { AttachmentKey } from "../core/names.ts";
import type { ValidAttachment } from "../core/plugin.ts";
import { list, object, oneOf, type Schema, text } from "../core/schema.ts";
import { NOTE_VERSION, type ReleaseNote, releaseFolder, releaseNotePath } from "../ipam/cluster/offline.ts";
import { type OwnerRecord, ownerName } from "../ipam/cluster/owner.ts";
import { namesIn, readTextIfExists, removeFileIfExists } from "../linux/file.ts";
import { renameFile } from "../linux/libc-file.ts";

export interface ReleaseNotesOptions {
  readonly runFolder: string;
  readonly bootId: string;
  /** The owners of a network. */
  readonly owners: (network: string) => readonly OwnerRecord[];
  /** Does what DEL does; nothing where there is no such owner. */
  readonly release: (owner: string) => void;
  readonly warn: (sentence: string) => void;
}

/** An attachment this much older than a GC's note, in milliseconds, was there when its list was made. */
const GC_MARGIN = 60_000;

export class ReleaseNotes {
  readonly #options: ReleaseNotesOptions;

  constructor(options: ReleaseNotesOptions) {
    this.#options = options;
  }

  /** Carries out all notes: at the start, before a call is served, and from time to time. Throws FileError. */
  drain(): void {
    const folder = releaseFolder(this.#options.runFolder);
    for (const name of namesIn(folder)) if (name.endsWith(".json")) this.#carryOut(`${folder}/${name}`);
  }

  /** Carries out the note of one owner: before it is given anything. Throws FileError. */
  drainOwner(owner: string): void {
    this.#carryOut(releaseNotePath(this.#options.runFolder, owner));
  }

  #carryOut(path: string): void {
    const written = readTextIfExists(path);
    if (written === undefined) return;
    const note = this.#read(path, written);
    if (note === undefined) return;
    if (note.bootId === this.#options.bootId) {
      if (note.verb === "del") this.#options.release(ownerName(note.key));
      else this.#releaseAllBut(note);
    }
    removeFileIfExists(path);
  }

  #releaseAllBut({ network, validAttachments, time }: Extract<ReleaseNote, { verb: "gc" }>): void {
    const valid = new Set(validAttachments.map((key) => ownerName({ network, ...key })));
    for (const { owner, since } of this.#options.owners(network)) {
      if (!valid.has(owner) && since < time - GC_MARGIN) this.#options.release(owner);
    }
  }

  /** What cannot be read is set aside, so that it is seen, and the rest goes on. */
  #read(path: string, written: string): ReleaseNote | undefined {
    try {
      return parseNote(written);
    } catch (error) {
      renameFile(path, `${path}.unreadable`);
      this.#options.warn(`The release note "${path}" is set aside: ${error}`);
      return undefined;
    }
  }
}

const number: Schema<number> = (value, field) => {
  if (typeof value === "number") return value;
  throw new DecodeError(`"${field}" must be a number`);
};

const head = object<{ version: number; verb: "del" | "gc"; bootId: string; time: number }>({
  version: number,
  verb: oneOf("del", "gc"),
  bootId: text,
  time: number,
});

const deletion = object<{ key: AttachmentKey }>({
  key: object<AttachmentKey>({ network: text, containerId: text, ifname: text }),
});

const collection = object<{ network: string; validAttachments: ValidAttachment[] }>({
  network: text,
  validAttachments: list(object<ValidAttachment>({ containerId: text, ifname: text })),
});

function parseNote(written: string): ReleaseNote {
  let value: unknown;
  try {
    value = JSON.parse(written);
  } catch (error) {
    throw new DecodeError("It is no JSON", { cause: error });
  }
  const { verb, version, bootId, time } = head(value, "");
  if (version !== NOTE_VERSION) throw new DecodeError(`It is of version ${version}, not ${NOTE_VERSION}`);
  const common = { version: NOTE_VERSION, bootId, time } as const;
  return verb === "del" ? { ...common, verb, ...deletion(value, "") } : { ...common, verb, ...collection(value, "") };
}
