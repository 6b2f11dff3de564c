/** What the virtual machine of the vm suite is made of: qemu, and a kernel in the cache, found or fetched. */

import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import type { VmParts } from "../vm/machine.ts";
import { hasApt, installPackages } from "./apt.ts";
import { unpackKernel } from "./debian-kernel.ts";
import { isStatic } from "./elf.ts";

const QEMU = "qemu-system-x86_64";

/** The modules that the machine may ask for; all of them would be eight times as many. */
const MODULES = [
  ...["arch", "crypto", "lib", "mm", "net", "fs/9p", "fs/netfs", "fs/overlayfs", "drivers/virtio"],
  ...["drivers/char/hw_random", "drivers/char/virtio_console.ko", "drivers/net/*.ko"],
  ...["bonding", "ipvlan", "macvlan", "netdevsim", "team", "vxlan", "wireguard"].map((name) => `drivers/net/${name}`),
];

/** Finds the parts, fetching what is missing. Returns in words why there can be none. */
export function findVm(cache: string, say: (line: string) => void): VmParts | string {
  if (process.arch !== "x64") return `there is one for x86-64 only, and this is ${process.arch}`;
  const tools = [
    { command: QEMU, debian: "qemu-system-x86" },
    { command: "xz", debian: "xz-utils" },
  ];
  const missing = tools.filter(({ command }) => Bun.which(command) === null).map(({ debian }) => debian);
  if (missing.length > 0 && hasApt() && process.getuid?.() === 0) {
    say(`Installing packages of the distribution: ${missing.join(" ")} …`);
    installPackages(missing.map((name) => [name]));
  }
  for (const { command, debian } of tools) {
    if (Bun.which(command) === null) return `${command} (package ${debian}) is not installed and cannot be`;
  }
  const busybox = Bun.which("busybox");
  if (busybox === null || !isStatic(busybox)) return "there is no busybox without libraries (package busybox-static)";
  sweepVm(cache);
  const folder = join(cache, `vm-kernel-${Bun.hash(MODULES.join()).toString(36)}`);
  if (!existsSync(folder)) {
    const problem = makeKernel(cache, folder, busybox, say);
    if (problem !== undefined) return problem;
  }
  const [release = ""] = readdirSync(join(folder, "lib/modules"));
  return {
    qemu: Bun.which(QEMU) ?? QEMU,
    busybox,
    kernel: join(folder, "vmlinuz"),
    modules: join(folder, "lib/modules", release),
  };
}

/** Puts a kernel into the folder, whole or not at all. Returns what went wrong. */
function makeKernel(cache: string, folder: string, busybox: string, say: (line: string) => void): string | undefined {
  if (!hasApt()) return "a kernel is fetched by apt, which this machine does not have";
  const work = join(cache, `vm-kernel.${process.pid}`);
  const [unpacked, made] = [join(work, "unpacked"), join(work, "made")];
  mkdirSync(made, { recursive: true });
  try {
    say("Fetching a kernel for the virtual machine (once, some 100 MB) …");
    const problem = unpackKernel(unpacked);
    if (problem !== undefined) return problem;
    const [image] = readdirSync(join(unpacked, "boot")).filter((name) => name.startsWith("vmlinuz-"));
    if (image === undefined) return "the kernel's package has no kernel";
    cpSync(join(unpacked, "boot", image), join(made, "vmlinuz"));
    say("Unpacking its modules …");
    // A distribution may have /lib be a link to /usr/lib, and its packages follow.
    const root = existsSync(join(unpacked, "lib/modules")) ? unpacked : join(unpacked, "usr");
    const failure = selectModules(root, made, image.slice("vmlinuz-".length), busybox);
    if (failure !== undefined) return failure;
    try {
      renameSync(made, folder);
    } catch (error) {
      // Another run was faster; what it made is as good.
      if (!existsSync(folder)) throw error;
    }
    return undefined;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Copies the modules that may be wanted, uncompressed, and makes their tables. */
function selectModules(unpacked: string, made: string, release: string, busybox: string): string | undefined {
  const [from, to] = [join(unpacked, "lib/modules", release), join(made, "lib/modules", release)];
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) if (name !== "kernel") cpSync(join(from, name), join(to, name));
  const patterns = MODULES.map((path) => (path.endsWith(".ko") ? `${path}*` : `${path}/**/*.ko*`));
  const files = patterns.flatMap((pattern) => [...new Glob(pattern).scanSync(join(from, "kernel"))]);
  for (const file of files) cpSync(join(from, "kernel", file), join(to, "kernel", file));
  const compressed = files.filter((file) => file.endsWith(".xz")).map((file) => join(to, "kernel", file));
  const steps = [
    ...(compressed.length > 0 ? [["xz", "--decompress", ...compressed]] : []),
    [busybox, "depmod", "-b", made, release],
  ];
  for (const command of steps) {
    const { exitCode, stderr } = Bun.spawnSync(command, { stdout: "ignore" });
    if (exitCode !== 0) return `the kernel's modules cannot be used: ${stderr.toString().trim()}`;
  }
  return undefined;
}

/** Takes away what runs that were killed have left in the cache. */
export function sweepVm(cache: string): void {
  for (const name of readdirSync(cache)) {
    const pid = /^vm-(?:kernel|run)\.(\d+)/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(cache, name), { recursive: true, force: true });
  }
}
