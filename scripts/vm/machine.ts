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
  /** Tells it from others that run at the same time with the same folder for answers. */
  readonly name: string;
  /** Shell commands for the machine, run as root where the host's files are; what they change is forgotten. */
  readonly script: string;
  /** A folder of the host that is {@link ANSWERS} inside and can be written there. Other files are put into it. */
  readonly answers: string;
  readonly seconds: number;
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
  // The end of each namespace waits for all readers.
  "rcupdate.rcu_expedited=1",
  // A module that is loaded brings no links, which a test would find left behind.
  "dummy.numdummies=0 ifb.numifbs=0 bonding.max_bonds=0",
];

/** Runs a script to its end. Returns its exit status. Throws where it came to none. */
export async function runInVm(vm: VmParts, { name, script, answers, seconds, output }: VmRun): Promise<number> {
  const own = (file: string) => join(answers, `${name}.${file}`);
  makeInitramfs(vm, own("initramfs"));
  writeFileSync(own("script"), script);
  writeFileSync(own("run"), runOf(name));
  const machine = Bun.spawn(commandOf(vm, { name, initramfs: own("initramfs"), log: own("kernel.log"), answers }), {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const stop = () => machine.kill("SIGKILL");
  const interrupted = (signal: NodeJS.Signals) => {
    stop();
    // Once all machines have heard of it.
    setImmediate(() => {
      rmSync(answers, { recursive: true, force: true });
      process.exit(signal === "SIGINT" ? 130 : 143);
    });
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
    const status = readOrEmpty(own("status")).trim();
    if (status !== "") return Number(status);
    const words = [await complaints, ...readOrEmpty(own("kernel.log")).split("\n").slice(-40)].join("\n");
    throw new Error(`The virtual machine ended without an answer: ${words}`);
  } finally {
    clearTimeout(timer);
    for (const signal of signals) process.off(signal, interrupted);
    stop();
  }
}

/** The last program in the machine. Its output is a pipe, for programs may find the console too slow to poll. */
function runOf(name: string): string {
  return `
{ sh ${ANSWERS}/${name}.script; echo $? >${ANSWERS}/${name}.status; } 2>&1 | cat
sync
echo o >/proc/sysrq-trigger
sleep 60
`;
}

interface Place {
  readonly name: string;
  readonly initramfs: string;
  readonly log: string;
  readonly answers: string;
}

function commandOf({ qemu, kernel, modules }: VmParts, { name, initramfs, log, answers }: Place): string[] {
  const share = (tag: string, folder: string, options: string) => [
    ...["-fsdev", `local,id=${tag},path=${folder.replaceAll(",", ",,")},security_model=none${options}`],
    ...["-device", `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
  ];
  // It ends with this process, even when that is killed.
  const bound = Bun.which("setpriv") === null ? [] : ["setpriv", "--pdeathsig", "KILL"];
  return [
    ...bound,
    qemu,
    // One processor: what two do for each other's sake, such as telling of changed pages, costs the emulator more than
    // the second one brings. Two machines bring twice as much.
    ...["-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", MEMORY],
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...[
      "-kernel",
      kernel,
      "-initrd",
      initramfs,
      "-append",
      [...COMMAND_LINE, `VM_MODULES=${modules}`, `VM_NAME=${name}`].join(" "),
    ],
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
