/** Lists in annotations: parted by commas, or in JSON. */

import { ConfigError } from "../../core/errors.ts";

/** What a list in JSON holds, as it stands there; undefined for one that is parted by commas. Throws ConfigError. */
export function jsonItems(given: string, field: string): unknown {
  if (!given.trimStart().startsWith("[")) return undefined;
  try {
    return JSON.parse(given);
  } catch (cause) {
    throw new ConfigError(field, "must be JSON where it begins with a bracket", { value: given, cause });
  }
}

/** What is parted by commas. */
export function commaItems(given: string): string[] {
  return given.split(",").map((item) => item.trim());
}
