/** containerd 2, of a newer suite of Debian than the machine's where that has an older one; in the cache. */

import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hasApt } from "./apt.ts";
import { onlySuite, unpackPackage } from "./debian-suite.ts";

/** From the newest on; one may need a newer C library than the machine has. */
const SUITES = ["sid", "testing", "stable"];

/** The folder of its programs, or in words why there is none. */
export function findContainerd(
  cache: string,
  say: (line: string) => void,
): { readonly folder: string } | { readonly problem: string } {
  const installed = Bun.which("containerd");
  if (installed !== null && isNew(installed)) return { folder: join(installed, "..") };
  const folder = join(cache, "containerd-2");
  const programs = join(folder, "usr/bin");
  if (isNew(join(programs, "containerd"))) return { folder: programs };
  if (!hasApt() || process.getuid?.() !== 0) return { problem: "containerd 2 is fetched by apt, as root" };
  say("Fetching containerd 2 (once, some 30 MB) …");
  const work = join(cache, `containerd-2.${process.pid}`);
  let problem = "no suite of Debian is to be had";
  try {
    for (const suite of SUITES) {
      const [made, fetched] = [join(work, suite), join(work, `${suite}.fetch`)];
      for (const each of [made, fetched]) mkdirSync(each, { recursive: true });
      const options = onlySuite(suite, fetched);
      if (options === undefined) continue;
      const found = unpackPackage("containerd", made, fetched, options);
      if (found !== undefined) problem = found;
      else if (!isNew(join(made, "usr/bin/containerd"))) problem = `that of ${suite} is older or does not run here`;
      else {
        rmSync(folder, { recursive: true, force: true });
        renameSync(made, folder);
        return { folder: programs };
      }
    }
    return { problem: `containerd 2: ${problem}` };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Whether it runs here and says that it is 2 or newer. */
function isNew(program: string): boolean {
  if (!existsSync(program)) return false;
  const { stdout, exitCode } = Bun.spawnSync([program, "--version"], { stderr: "ignore" });
  const major = / v?([0-9]+)\.[0-9]+\.[0-9]+/.exec(stdout.toString())?.[1];
  return exitCode === 0 && Number(major) >= 2;
}
