/** Tools of the distribution that tests compare with. They are asked for; without them their tests skip. */

import { existsSync } from "node:fs";
import { hasApt, installPackages } from "./apt.ts";
import { isStatic } from "./elf.ts";

export interface Tool {
  /** The name of the program, or the path of a file that the package brings. */
  readonly command: string;
  readonly debian: string;
  /** Whether a program of the name is the one that is meant. */
  readonly suits?: (path: string) => boolean;
}

const TOOLS: readonly Tool[] = [
  { command: "ip", debian: "iproute2" },
  { command: "nft", debian: "nftables" },
  { command: "iptables", debian: "iptables" },
  { command: "conntrack", debian: "conntrack" },
  { command: "ping", debian: "iputils-ping" },
  { command: "curl", debian: "curl" },
  { command: "iperf3", debian: "iperf3" },
  { command: "sysctl", debian: "procps" },
  { command: "containerd", debian: "containerd" },
  { command: "runc", debian: "runc" },
  { command: "podman", debian: "podman" },
  { command: "busybox", debian: "busybox-static", suits: isStatic },
  { command: "strace", debian: "strace" },
  { command: "etcd", debian: "etcd-server" },
  { command: "bird", debian: "bird2" },
  { command: "openssl", debian: "openssl" },
  { command: "gcc", debian: "gcc libc6-dev linux-libc-dev" },
];

/** The peers to compare with where they cannot be built; see peers.ts. */
const PEERS: Tool = { command: "/usr/lib/cni/bridge", debian: "containernetworking-plugins" };

const FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

export function isInstalled({ command, suits = () => true }: Tool): boolean {
  const paths = command.startsWith("/") ? [command] : FOLDERS.map((folder) => `${folder}/${command}`);
  const path = paths.find((candidate) => existsSync(candidate));
  return path !== undefined && suits(path);
}

/** Installs what is missing of Debian's or Ubuntu's packages. Returns those that are missing still. */
export function installTools(say: (line: string) => void): Tool[] {
  const tools = Bun.which("go") === null ? [...TOOLS, PEERS] : TOOLS;
  const missing = tools.filter((tool) => !isInstalled(tool));
  if (missing.length === 0 || !hasApt()) return missing;
  say(`Installing packages of the distribution: ${missing.map(({ debian }) => debian).join(" ")} …`);
  installPackages(missing.map(({ debian }) => debian.split(" ")));
  return tools.filter((tool) => !isInstalled(tool));
}
