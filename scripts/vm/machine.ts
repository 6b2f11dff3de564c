/**
 * A virtual machine with the host's files and another kernel: it boots, runs one script, and is gone.
 *
 * The processor is emulated, so it runs where there is no virtualization by hardware.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyEarlyModules } from "./modules.ts";

/** What a machine is made of; see setup/vm.ts. */
export interface VmParts {
  readonly qemu: string;
  /** One that needs no libraries. */
  readonly busybox: string;
  readonly kernel: string;
  /** The folder of its modules. */
  readonly modules: string;
}

export interface VmRun {
  /** Shell commands for the machine, run as root where the host's files are; what they change is forgotten. */
  readonly script: string;
  /** A folder of the host that is {@link ANSWERS} inside and can be written there. Other files are put into it. */
  readonly answers: string;
  readonly seconds: number;
  /** Two when absent. */
  readonly processors?: 1 | 2;
  /** What the commands print, as it comes. */
  readonly output: (bytes: Uint8Array) => void;
}

/** Where the folder for answers is, in the machine. */
export const ANSWERS = "/.vm/answers";

/** The modules without which the machine does not come to the host's files. */
const EARLY = ["virtio_pci", "virtio_console", "virtio_rng", "9p", "9pnet_virtio", "overlay", "crc32c_generic"];

/** Much less than the host has: the tests are small. */
const MEMORY = "2G";

const COMMAND_LINE = [
  "console=ttyS0 quiet panic=-1",
  // What a machine for tests can do without: guards against processors' flaws, security modules, watchdogs.
  "mitigations=off audit=0 lsm= nowatchdog",
  // What the emulator has translated is good for one address only: elsewhere each program's start costs four times more.
  "nokaslr norandmaps",
  // The kernel rewrites its code while it starts, which the emulator gets wrong now and then when another processor is
  // running it: that one joins in init.sh.
  "maxcpus=1",
  // The end of each namespace waits for all readers.
  "rcupdate.rcu_expedited=1",
  // A module that is loaded brings no links, which a test would find left behind.
  "dummy.numdummies=0 ifb.numifbs=0 bonding.max_bonds=0",
];

/** The machine's kernel came to its own end. */
export class VmPanic extends Error {}

/** Runs a script to its end. Returns its exit status. Throws where it came to none, VmPanic where the kernel is why. */
export async function runInVm(
  vm: VmParts,
  { script, answers, seconds, processors = 2, output }: VmRun,
): Promise<number> {
  const initramfs = join(answers, "initramfs");
  const log = join(answers, "kernel.log");
  makeInitramfs(vm, initramfs);
  writeFileSync(join(answers, "script"), script);
  writeFileSync(join(answers, "run"), RUN);
  const machine = Bun.spawn(commandOf(vm, initramfs, log, answers, processors), {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const stop = () => machine.kill("SIGKILL");
  const interrupted = (signal: NodeJS.Signals) => {
    stop();
    rmSync(answers, { recursive: true, force: true });
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, interrupted);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop();
  }, seconds * 1000);
  try {
    const complaints = new Response(machine.stderr).text();
    for await (const bytes of machine.stdout) output(bytes);
    await machine.exited;
    if (late) throw new Error(`The virtual machine was stopped: it had not ended after ${seconds} s`);
    const status = readOrEmpty(join(answers, "status")).trim();
    if (status !== "") return Number(status);
    const said = readOrEmpty(log);
    const words = [await complaints, ...said.split("\n").slice(-40)].join("\n");
    throw new (said.includes("Kernel panic") ? VmPanic : Error)(
      `The virtual machine ended without an answer: ${words}`,
    );
  } finally {
    clearTimeout(timer);
    for (const signal of signals) process.off(signal, interrupted);
    stop();
  }
}

/** The last program in the machine. Its output is a pipe, for programs may find the console too slow to poll. */
const RUN = `
{ sh ${ANSWERS}/script; echo $? >${ANSWERS}/status; } 2>&1 | cat
sync
echo o >/proc/sysrq-trigger
sleep 60
`;

function commandOf(
  { qemu, kernel, modules }: VmParts,
  initramfs: string,
  log: string,
  answers: string,
  processors: number,
): string[] {
  const share = (tag: string, folder: string, options: string) => [
    ...["-fsdev", `local,id=${tag},path=${folder.replaceAll(",", ",,")},security_model=none${options}`],
    ...["-device", `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
  ];
  // It ends with this process, even when that is killed.
  const bound = Bun.which("setpriv") === null ? [] : ["setpriv", "--pdeathsig", "KILL"];
  return [
    ...bound,
    qemu,
    ...["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", String(processors), "-m", MEMORY],
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...["-kernel", kernel, "-initrd", initramfs, "-append", [...COMMAND_LINE, `VM_MODULES=${modules}`].join(" ")],
    ...["-serial", `file:${log.replaceAll(",", ",,")}`],
    ...share("root", "/", ",readonly=on,multidevs=remap"),
    ...share("answers", answers, ""),
    ...["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"],
    ...["-chardev", "stdio,id=output,signal=off", "-device", "virtconsole,chardev=output"],
  ];
}

/** The file system that the kernel starts with: a shell, the modules that reach the host's files, and `init.sh`. */
function makeInitramfs({ busybox, modules }: VmParts, path: string): void {
  const folder = `${path}.d`;
  for (const name of ["bin", "dev", "early", "proc", "sys"]) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, "bin/busybox"), readFileSync(busybox), { mode: 0o755 });
  writeFileSync(join(folder, "init"), readFileSync(join(import.meta.dir, "init.sh")), { mode: 0o755 });
  copyEarlyModules(modules, EARLY, join(folder, "early"));
  const { exitCode, stdout, stderr } = Bun.spawnSync(["sh", "-c", `find . | "${busybox}" cpio -o -H newc`], {
    cwd: folder,
  });
  if (exitCode !== 0) throw new Error(`Cannot make the virtual machine's first file system: ${stderr.toString()}`);
  writeFileSync(path, stdout);
  rmSync(folder, { recursive: true });
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
