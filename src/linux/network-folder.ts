/** The folder in which container runtimes find networks. */

import { isNetworkFile, type NetworkFile, networkFile } from "../core/network-files.ts";
import { namesIn, readTextIfExists } from "./file.ts";

/** The files that a runtime looks at, in its order; none where there is no such folder. Throws FileError. */
export function networkFilesIn(folder: string): NetworkFile[] {
  return namesIn(folder)
    .filter(isNetworkFile)
    .map((name) => networkFile(name, readTextIfExists(`${folder}/${name}`) ?? ""));
}
