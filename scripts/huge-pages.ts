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

const HUGE_PAGE = 0x20_0000;
const PAGE = 0x1000;

const PT_LOAD = 1;
const PF_X = 1;

/** Offsets in the file header, in a program header and in a section header of a 64-bit file. */
const FILE = { programHeaders: 32, sectionHeaders: 40, programSize: 54, programCount: 56, sectionSize: 58, count: 60 };
const PROGRAM = { type: 0, flags: 4, offset: 8, address: 16, fileSize: 32 };
const SECTION = { offset: 24 };

interface Segment {
  /** Where its header is. */
  readonly at: number;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
}

/** The same executable with its code in such a place, as a copy; what has nothing to move comes back as it is. */
export function alignCode(file: Uint8Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const segments = segmentsOf(view);
  const code = segments.find(({ type, flags }) => type === PT_LOAD && (flags & PF_X) !== 0);
  const room = code === undefined ? 0 : modulo(code.address - code.offset, HUGE_PAGE);
  if (code === undefined || room === 0) return file;
  // What is before the code may end in the page that the code begins in; each then has that page to itself.
  const cut = code.offset - (code.offset % PAGE);
  const moved = new Uint8Array(file.length + room);
  moved.set(file.subarray(0, code.offset));
  moved.set(file.subarray(cut), cut + room);
  shiftHeaders(new DataView(moved.buffer), view, segments, code.offset, room);
  return moved;
}

function segmentsOf(view: DataView): Segment[] {
  return headers(view, FILE.programHeaders, FILE.programSize, FILE.programCount).map((at) => ({
    at,
    type: view.getUint32(at + PROGRAM.type, true),
    flags: view.getUint32(at + PROGRAM.flags, true),
    offset: number64(view, at + PROGRAM.offset),
    address: number64(view, at + PROGRAM.address),
    fileSize: number64(view, at + PROGRAM.fileSize),
  }));
}

/** Writes the new places of all that began at `from` or behind it into the headers, which `old` has at their old places. */
function shiftHeaders(view: DataView, old: DataView, segments: readonly Segment[], from: number, room: number): void {
  const shift = (at: number, offset: number) => {
    if (offset >= from) view.setBigUint64(at, BigInt(offset + room), true);
  };
  for (const { at, offset } of segments) shift(at + PROGRAM.offset, offset);
  const sections = number64(old, FILE.sectionHeaders);
  for (const at of headers(old, FILE.sectionHeaders, FILE.sectionSize, FILE.count)) {
    const place = sections >= from ? at + room : at;
    shift(place + SECTION.offset, number64(old, at + SECTION.offset));
  }
  shift(FILE.sectionHeaders, sections);
}

/** Where the headers of one table are. */
function headers(view: DataView, start: number, size: number, count: number): number[] {
  const first = number64(view, start);
  const step = view.getUint16(size, true);
  return Array.from({ length: view.getUint16(count, true) }, (_, i) => first + i * step);
}

function number64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}
