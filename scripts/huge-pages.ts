/**
 * Lays an executable out so that the kernel can map its code by huge pages.
 *
 * A short process spends more time on page faults than on its own work, and most of an executable's are for code, 64 KiB
 * at a time. Where the file lies in the page cache in pieces of 2 MiB (a file system with large folios, and whoever wrote
 * it wrote in pieces of that size), one fault maps such a piece whole; but only when the piece's place in the file and
 * its place in memory are the same but for a multiple of 2 MiB. Linkers do that for `-z max-page-size=0x200000`. This
 * does it afterwards: it puts room before the code and says in the headers that all behind it lies further back.
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

const HUGE_PAGE = 0x20_0000;

/** The same executable with its code in such a place, as a copy; what has nothing to move comes back as it is. */
export function alignCode(file: Uint8Array): Uint8Array {
  const view = viewOf(file);
  const segments = segmentsOf(view);
  const code = segments.find(({ isCode }) => isCode);
  const room = code === undefined ? 0 : modulo(code.address - code.offset, HUGE_PAGE);
  if (code === undefined || room === 0) return file;
  // What is before the code may end in the page that the code begins in; each then has that page to itself.
  const cut = code.offset - (code.offset % PAGE);
  const moved = new Uint8Array(file.length + room);
  moved.set(file.subarray(0, code.offset));
  moved.set(file.subarray(cut), cut + room);
  shiftHeaders(viewOf(moved), view, segments, code.offset, room);
  return moved;
}

/** Writes the new places of all that began at `from` or behind it into the headers, which `old` has at their old places. */
function shiftHeaders(view: DataView, old: DataView, segments: readonly Segment[], from: number, room: number): void {
  const shift = (at: number, offset: number) => {
    if (offset >= from) setNumber64(view, at, offset + room);
  };
  for (const { at, offset } of segments) shift(at + PROGRAM.offset, offset);
  const sections = number64(old, FILE.sectionHeaders);
  for (const at of headersOf(old, "sections")) {
    const place = sections >= from ? at + room : at;
    shift(place + SECTION.offset, number64(old, at + SECTION.offset));
  }
  shift(FILE.sectionHeaders, sections);
}

function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}
