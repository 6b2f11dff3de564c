/** Which boot of the machine this is. */

import { fileError } from "./file.ts";
import { readText } from "./libc-file.ts";

const FILE = "/proc/sys/kernel/random/boot_id";

let known: string | undefined;

/** A random UUID that the kernel takes at each boot. Throws FileError. @see random(4) */
export function bootId(): string {
  try {
    known ??= readText(FILE).trim();
    return known;
  } catch (error) {
    throw fileError("read", FILE, error);
  }
}
