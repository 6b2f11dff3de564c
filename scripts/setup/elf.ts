/** What an executable file says of itself. */

import { readFileSync } from "node:fs";

const PT_INTERP = 3;

/** Whether a 64-bit executable names no program that is to load its libraries: it runs alone. @see elf(5) */
export function isStatic(path: string): boolean {
  const bytes = readFileSync(path);
  const first = Number(bytes.readBigUInt64LE(32));
  const size = bytes.readUInt16LE(54);
  const headers = Array.from({ length: bytes.readUInt16LE(56) }, (_, i) => bytes.readUInt32LE(first + i * size));
  return !headers.includes(PT_INTERP);
}
