/** How long the machine has been up. */

import { fileError } from "./file.ts";
import { readText } from "./libc-file.ts";

const FILE = "/proc/uptime";

/** Milliseconds since the boot began, suspension included, in steps of ten. Throws FileError. @see proc_uptime(5) */
export function uptime(): number {
  try {
    return Math.round(Number.parseFloat(readText(FILE)) * 1000);
  } catch (error) {
    throw fileError("read", FILE, error);
  }
}
