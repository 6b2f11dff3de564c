/** Packages of another suite of Debian than the machine's, fetched and not installed. */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { apt, aptOutput } from "./apt.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The name of the machine's own release, such as `bookworm`. */
export function ownRelease(): string | undefined {
  return /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
}

/**
 * Options under which apt knows one suite, of the archive that the machine uses, and nothing else, without a change to
 * its own settings; undefined where there is none. Its lists lie in the folder.
 */
export function onlySuite(suite: string, work: string): string[] | undefined {
  const format = ["--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"];
  const sites = aptOutput(["indextargets", ...format])?.split("\n") ?? [];
  const site = sites.find((line) => line.endsWith(` ${ownRelease()} main`))?.split(" ")[0];
  if (site === undefined) return undefined;
  const signed = existsSync(KEYRING) ? `Signed-By: ${KEYRING}\n` : "";
  const source = join(work, `${suite}.sources`);
  writeFileSync(source, `Types: deb\nURIs: ${site}\nSuites: ${suite}\nComponents: main\n${signed}`);
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

/**
 * Fetches a package with the options and unpacks it into an empty folder. Returns why not, or undefined when it is
 * there.
 */
export function unpackPackage(
  name: string,
  folder: string,
  work: string,
  options: readonly string[],
): string | undefined {
  const missing = `the package ${name} is not to be had from this machine's apt sources`;
  if (!apt([...options, "download", "-qq", name], { cwd: work })) return missing;
  const file = readdirSync(work).find((one) => one.startsWith(`${name}_`));
  if (file === undefined) return missing;
  const { exitCode, stderr } = Bun.spawnSync(["dpkg", "-x", join(work, file), folder], { stdout: "ignore" });
  return exitCode === 0 ? undefined : `${file} cannot be unpacked: ${stderr.toString().trim()}`;
}
