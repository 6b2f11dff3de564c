/** Tools of the distribution that tests compare with. They are asked for; without them their tests skip. */

import { existsSync, rmSync, writeFileSync } from "node:fs";

export interface Tool {
  readonly command: string;
  readonly debian: string;
}

export const tools: readonly Tool[] = [
  { command: "ip", debian: "iproute2" },
  { command: "nft", debian: "nftables" },
  { command: "iptables", debian: "iptables" },
  { command: "ping", debian: "iputils-ping" },
  { command: "sysctl", debian: "procps" },
  { command: "containerd", debian: "containerd" },
  { command: "runc", debian: "runc" },
  { command: "podman", debian: "podman" },
  { command: "busybox", debian: "busybox-static" },
  { command: "strace", debian: "strace" },
  { command: "gcc", debian: "gcc libc6-dev linux-libc-dev" },
];

const POLICY = "/usr/sbin/policy-rc.d";

export function isInstalled({ command }: Tool): boolean {
  return ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].some((folder) =>
    existsSync(`${folder}/${command}`),
  );
}

/** Installs what is missing of Debian's or Ubuntu's packages. Returns those that are missing still. */
export function installTools(say: (line: string) => void): Tool[] {
  const missing = tools.filter((tool) => !isInstalled(tool));
  if (missing.length === 0 || !existsSync("/usr/bin/apt-get")) return missing;
  say(`Installing packages of the distribution: ${missing.map(({ debian }) => debian).join(" ")} …`);
  // Installing a package must start no daemon of it.
  const owned = !existsSync(POLICY);
  if (owned) writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    apt("update", "-qq");
    // One by one, so that one that is not to be had does not keep the others away.
    for (const { debian } of missing) apt("install", "-y", "-qq", "--no-install-recommends", ...debian.split(" "));
  } finally {
    if (owned) rmSync(POLICY, { force: true });
  }
  return tools.filter((tool) => !isInstalled(tool));
}

function apt(...args: string[]): void {
  Bun.spawnSync(["apt-get", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    timeout: 600_000,
  });
}
