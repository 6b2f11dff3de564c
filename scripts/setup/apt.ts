/** The package tools of Debian and Ubuntu, for a caller who is not there to answer their questions. */

import { existsSync, rmSync, writeFileSync } from "node:fs";

const APT = "/usr/bin/apt-get";
const POLICY = "/usr/sbin/policy-rc.d";

interface AptOptions {
  readonly cwd?: string;
  /** What to run instead of apt-get. */
  readonly program?: string;
}

export const hasApt = (): boolean => existsSync(APT);

/** Runs apt-get and says whether it succeeded. Another one that runs is waited for. */
export function apt(args: readonly string[], options: AptOptions = {}): boolean {
  return aptOutput(args, options) !== undefined;
}

/** What it printed, or undefined when it failed. */
export function aptOutput(args: readonly string[], { cwd, program = APT }: AptOptions = {}): string | undefined {
  const { exitCode, stdout } = Bun.spawnSync([program, "-o", "DPkg::Lock::Timeout=120", ...args], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
    timeout: 600_000,
  });
  return exitCode === 0 ? stdout.toString() : undefined;
}

/** Installs packages, and starts no daemon of them. */
export function installPackages(groups: readonly (readonly string[])[]): void {
  const owned = !existsSync(POLICY);
  if (owned) writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    apt(["update", "-qq"]);
    // One by one, so that one that is not to be had does not keep the others away.
    for (const group of groups) apt(["install", "-y", "-qq", "--no-install-recommends", ...group]);
  } finally {
    if (owned) rmSync(POLICY, { force: true });
  }
}
