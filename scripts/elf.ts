/** The headers of an executable of 64 bits, as much of them as the build changes. @see elf(5) */

export const PAGE = 0x1000;

const PT_LOAD = 1;
const PF_X = 1;

/** Offsets in the file header, in a program header and in a section header. */
export const FILE = { entry: 24, sectionHeaders: 40 };
const TABLES = {
  programs: { first: 32, size: 54, count: 56 },
  sections: { first: 40, size: 58, count: 60 },
};
export const PROGRAM = { type: 0, flags: 4, offset: 8, address: 16, physical: 24, fileSize: 32, memorySize: 40 };
export const SECTION = { offset: 24, size: 32 };

export interface Segment {
  /** Where its header is. */
  readonly at: number;
  readonly isLoaded: boolean;
  readonly isCode: boolean;
  /** Where it is in the file, and where in memory. */
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

export function viewOf(file: Uint8Array): DataView {
  return new DataView(file.buffer, file.byteOffset, file.length);
}

export function segmentsOf(view: DataView): Segment[] {
  return headersOf(view, "programs").map((at) => {
    const isLoaded = view.getUint32(at + PROGRAM.type, true) === PT_LOAD;
    return {
      at,
      isLoaded,
      isCode: isLoaded && (view.getUint32(at + PROGRAM.flags, true) & PF_X) !== 0,
      offset: number64(view, at + PROGRAM.offset),
      address: number64(view, at + PROGRAM.address),
      fileSize: number64(view, at + PROGRAM.fileSize),
      memorySize: number64(view, at + PROGRAM.memorySize),
    };
  });
}

/** Where the headers of a table are. */
export function headersOf(view: DataView, table: keyof typeof TABLES): number[] {
  const { first, size, count } = TABLES[table];
  const start = number64(view, first);
  const step = view.getUint16(size, true);
  return Array.from({ length: view.getUint16(count, true) }, (_, i) => start + i * step);
}

export function number64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

export function setNumber64(view: DataView, at: number, value: number): void {
  view.setBigUint64(at, BigInt(value), true);
}
