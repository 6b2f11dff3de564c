/** Debian's kernel as a package, fetched and not installed. */

import { mkdirSync, rmSync } from "node:fs";
import { aptOutput } from "./apt.ts";
import { onlySuite, ownRelease, unpackPackage } from "./debian-suite.ts";

/** The package that names the newest kernel; not the "cloud" one, which lacks the file system that is shared. */
const PACKAGE = "linux-image-amd64";

/**
 * Fetches the newest kernel that the machine's release has, its backports first, and unpacks it into an empty folder.
 * Returns why not, or undefined when it is there.
 */
export function unpackKernel(folder: string): string | undefined {
  const work = `${folder}.fetch`;
  mkdirSync(work, { recursive: true });
  let problem = `the package ${PACKAGE} is not to be had from this machine's apt sources`;
  try {
    for (const options of [onlySuite(`${ownRelease()}-backports`, work), []]) {
      const name = options === undefined ? undefined : kernelPackage(options);
      if (options === undefined || name === undefined) continue;
      const found = unpackPackage(name, folder, work, options);
      if (found === undefined) return undefined;
      problem = found;
    }
    return problem;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The package that has the kernel itself, by the other one's dependency. */
function kernelPackage(options: readonly string[]): string | undefined {
  const args = [...options, "show", "--no-all-versions", PACKAGE];
  const shown = aptOutput(args, { program: "/usr/bin/apt-cache" }) ?? "";
  return /^Depends: (linux-image-\S+)/m.exec(shown)?.[1];
}
