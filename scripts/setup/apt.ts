/** The package tool of Debian and Ubuntu, for people who are not there to answer its questions. */

import { existsSync, rmSync, writeFileSync } from "node:fs";

const APT = "/usr/bin/apt-get";
const POLICY = "/usr/sbin/policy-rc.d";

export const hasApt = (): boolean => existsSync(APT);

/** Runs apt-get and says whether it succeeded. Another one that runs is waited for. */
export function apt(args: readonly string[], options: { readonly cwd?: string } = {}): boolean {
  const { exitCode } = Bun.spawnSync([APT, "-o", "DPkg::Lock::Timeout=120", ...args], {
    ...options,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    timeout: 600_000,
  });
  return exitCode === 0;
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
