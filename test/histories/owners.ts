/** Whose addresses are kept in a simulated cluster. */

import type { Random } from "../support/random.ts";
import { USABLE } from "./world.ts";

/** Owners with addresses of their own: of the first addresses are made by their ADDs, of the others by an operator. */
export const STICKY = ["default/web-0", "default/web-1", "default/web-2"];
export const RESERVED = ["default/db-0", "default/db-1"];
/** Owners that ask for certain addresses to be kept for them. */
export const FIXED: Readonly<Record<string, string>> = { "default/fix-0": "10.0.0.5", "default/fix-1": "10.0.0.10" };

export function anyAddress(random: Random): string {
  return `10.0.0.${1 + random.below(USABLE)}`;
}
