/**
 * Puts code of ours at an executable's entry: it runs before the program's own first instruction, to which it may jump.
 *
 * Linkers begin a new page for code, and `scripts/huge-pages.ts` makes room before it; nothing else is there, neither in
 * the file nor in memory. So the segment of the code is made to begin a bit earlier, and the header to name that place.
 * @see elf(5)
 */

import {
  FILE,
  headersOf,
  number64,
  PAGE,
  PROGRAM,
  SECTION,
  type Segment,
  segmentsOf,
  setNumber64,
  viewOf,
} from "./elf.ts";

/** Makes the code for its address in memory, and for that of the program's own entry. */
export type EntryCode = (address: number, programEntry: number) => Uint8Array;

/** The same executable with the code at its entry, as a copy. Throws Error when there is no room for it. */
export function withEntryCode(file: Uint8Array, makeCode: EntryCode): Uint8Array {
  const changed = file.slice();
  const view = viewOf(changed);
  const segments = segmentsOf(view);
  const segment = segments.find(({ isCode }) => isCode);
  if (segment === undefined) throw new Error("The executable has no code");
  const programEntry = number64(view, FILE.entry);
  const size = makeCode(segment.address, programEntry).length;
  // At the begin of a page, which then is in memory whole.
  const room = (segment.address % PAGE) + PAGE * Math.ceil(Math.max(0, size - (segment.address % PAGE)) / PAGE);
  if (!isFree(view, segments, segment, room)) throw new Error(`There are no ${room} bytes free before the code`);
  changed.set(makeCode(segment.address - room, programEntry), segment.offset - room);
  for (const [field, value] of [
    [PROGRAM.offset, segment.offset - room],
    [PROGRAM.address, segment.address - room],
    [PROGRAM.physical, segment.address - room],
    [PROGRAM.fileSize, segment.fileSize + room],
    [PROGRAM.memorySize, segment.memorySize + room],
  ] as const) {
    setNumber64(view, segment.at + field, value);
  }
  setNumber64(view, FILE.entry, segment.address - room);
  return changed;
}

/** Whether nothing else has the bytes before a segment, in the file and in the memory's pages. */
function isFree(view: DataView, segments: readonly Segment[], segment: Segment, room: number): boolean {
  const apart = (start: number, end: number, other: number, size: number) => end <= other || other + size <= start;
  const pages = segment.address - room - ((segment.address - room) % PAGE);
  const others = segments.filter((other) => other.isLoaded && other !== segment);
  return (
    others.every(
      ({ offset, fileSize, address, memorySize }) =>
        apart(segment.offset - room, segment.offset, offset, fileSize) &&
        apart(pages, segment.address, address, Math.ceil(memorySize / PAGE) * PAGE),
    ) &&
    headersOf(view, "sections").every((at) =>
      apart(
        segment.offset - room,
        segment.offset,
        number64(view, at + SECTION.offset),
        isEmptyInFile(view, at) ? 0 : number64(view, at + SECTION.size),
      ),
    )
  );
}

/** Offset of a section's type in its header, and the type of those that the file has nothing of, such as `.bss`. */
const SECTION_TYPE = 4;
const SHT_NOBITS = 8;

function isEmptyInFile(view: DataView, at: number): boolean {
  return view.getUint32(at + SECTION_TYPE, true) === SHT_NOBITS;
}
