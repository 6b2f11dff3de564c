/** Debian's kernel as a package, fetched and not installed. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { apt, aptOutput } from "./apt.ts";

/** The package that names the newest kernel; not the "cloud" one, which lacks the file system that is shared. */
const PACKAGE = "linux-image-amd64";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Fetches the newest kernel that the machine's release has, its backports first, and unpacks it into an empty folder.
 * Returns why not, or undefined when it is there.
 */
export function unpackKernel(folder: string): string | undefined {
  const work = `${folder}.fetch`;
  mkdirSync(work, { recursive: true });
  try {
    for (const options of [backports(work), []]) {
      if (options === undefined) continue;
      const name = kernelPackage(options);
      if (name === undefined || !apt([...options, "download", "-qq", name], { cwd: work })) continue;
      const file = readdirSync(work).find((one) => one.startsWith(`${name}_`));
      if (file === undefined) continue;
      const { exitCode, stderr } = Bun.spawnSync(["dpkg", "-x", join(work, file), folder], { stdout: "ignore" });
      return exitCode === 0 ? undefined : `${file} cannot be unpacked: ${stderr.toString().trim()}`;
    }
    return `the package ${PACKAGE} is not to be had from this machine's apt sources`;
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

/**
 * Options under which apt knows the backports of this release and nothing else, without a change to its own settings;
 * undefined where there are none.
 */
function backports(work: string): string[] | undefined {
  const release = /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  if (release === undefined) return undefined;
  const format = ["--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"];
  const sites = aptOutput(["indextargets", ...format])?.split("\n") ?? [];
  const site = sites.find((line) => line.endsWith(` ${release} main`))?.split(" ")[0];
  if (site === undefined) return undefined;
  const signed = existsSync(KEYRING) ? `Signed-By: ${KEYRING}\n` : "";
  const source = join(work, "backports.sources");
  writeFileSync(source, `Types: deb\nURIs: ${site}\nSuites: ${release}-backports\nComponents: main\n${signed}`);
  mkdirSync(join(work, "lists/partial"), { recursive: true });
  const settings = [
    `Dir::Etc::sourcelist=${source}`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State::lists=${join(work, "lists")}`,
    `Dir::Cache=${work}`,
  ];
  const options = settings.flatMap((setting) => ["-o", setting]);
  return apt([...options, "update", "-qq"]) ? options : undefined;
}
