/** Folders of configuration and cache files. */

import { readdirSync } from "node:fs";
import { fileError, fileErrorCode } from "../../linux/file.ts";

/** The names of what is in a folder but folders, sorted; none when it is not there. Throws FileError. */
export function fileNames(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if (fileErrorCode(error) === "ENOENT") return [];
    throw fileError("list", folder, error);
  }
}
