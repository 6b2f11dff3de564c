/**
 * A machine of a test cluster: network, mount, process and host-name namespaces of its own, so that every path of the
 * programs on it is the default one. /run is empty at each boot; /var/lib, /var/log and what is written to /etc and /opt
 * are its disk, which outlives it.
 *
 * Its first process reads a pipe of ours: when that closes, also because we were killed, it ends, and the kernel takes
 * all other processes and mounts with it. The machine of a cluster that is to be kept sleeps instead.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { namedNetnsPath } from "../../src/linux/netns.ts";
import { type Finished, finish, outputOf, PATH, type RunOptions } from "../support/command.ts";
import { makeCgroups, removeCgroups } from "./cgroups.ts";
import { until } from "./until.ts";

export interface Machine {
  readonly name: string;
  /** Its first process, as numbered outside. */
  readonly pid: number;
  /** Where its file system is seen from outside. */
  readonly root: string;
  /** Runs a program in it to its end, whatever that is. */
  run(command: readonly string[], options?: RunOptions): Promise<Finished>;
  /** The standard output of a program that must succeed. Throws with what it said. */
  output(command: readonly string[], options?: RunOptions): Promise<string>;
  /** Writes a file in it; an object as JSON. */
  write(path: string, content: string | object): void;
  /** Starts a program that goes on running, with its output in /var/log/<name>.log; later starts append to it. */
  start(name: string, command: readonly string[], env?: Readonly<Record<string, string>>): Promise<void>;
  /** Sends a signal to a program that was started; resolves once it has gone where the signal ends it. */
  kill(name: string, signal?: "TERM" | "KILL" | "STOP" | "CONT"): Promise<void>;
  isRunning(name: string): boolean;
  /** What a started program has said. */
  log(name: string): string;
  /** Switches it off: all its processes, mounts and control groups are gone, its disk and its links stay. */
  powerOff(): Promise<void>;
}

export interface MachineOptions {
  readonly name: string;
  /** The name of its network namespace. */
  readonly netns: string;
  /** Its disk. */
  readonly folder: string;
  /** The control group, below each controller, that is the topmost one to it. */
  readonly cgroup: string;
  /** Whether it outlives this process. */
  readonly keep: boolean;
}

/** The control group of what runs on a machine and is no pod. */
const PROGRAMS = "programs";

/** The machine's own files would be taken for the node's. */
const NOT_INHERITED = "/etc/cni /etc/containerd /etc/kubernetes /etc/tendril /opt/cni";

/** What a kubelet insists on of the whole machine's kernel, it finds in files of its machine's own. */
const KUBELET_SETTINGS = [
  ...["kernel/panic=10", "kernel/panic_on_oops=1", "vm/overcommit_memory=1", "vm/panic_on_oom=0"],
  ...["kernel/keys/root_maxkeys=1000000", "kernel/keys/root_maxbytes=25000000"],
].join(" ");

/**
 * What is neither its disk nor temporary is read-only to it, so that it leaves nothing behind: our own machine's files,
 * and the kernel's parameters that are not a namespace's.
 *
 * The first process waits for a child, not by itself: the shell then reaps what daemons leave to it.
 */
const FIRST_PROCESS = `
set -e
disk=$1
mount --make-rshared /
hostname "$2"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/netns /run/lock
for path in etc opt; do
  mkdir -p "$disk/$path" "$disk/work/$path"
  mount -t overlay -o "lowerdir=/$path,upperdir=$disk/$path,workdir=$disk/work/$path" overlay "/$path"
done
for path in var/lib var/log; do
  mkdir -p "$disk/$path"
  mount --bind "$disk/$path" "/$path"
done
mount --bind /tmp /tmp
mount --bind "$disk" "$disk"
mount -o remount,bind,ro /
for path in $4; do
  mount --bind "$path/$5" "$path"
done
for path in kernel vm; do
  mount --bind "/proc/sys/$path" "/proc/sys/$path"
  mount -o remount,bind,ro "/proc/sys/$path"
done
mkdir /run/sysctl
for setting in ${KUBELET_SETTINGS}; do
  path=\${setting%=*}
  file="/run/sysctl/\${path##*/}"
  echo "\${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/$path"
done
if [ ! -e "$disk/installed" ]; then
  rm -rf ${NOT_INHERITED}
  mkdir -p /etc/cni/net.d /opt/cni/bin
  echo "$2" >/etc/hostname
  touch "$disk/installed"
fi
echo ready
$3
exit`;

/** Boots a machine in a network namespace that there is. */
export async function bootMachine({ name, netns, folder, cgroup, keep }: MachineOptions): Promise<Machine> {
  mkdirSync(folder, { recursive: true });
  const own = ["--cgroup", "--mount", "--uts", "--pid"];
  const namespaces = [...own, "--fork", "--mount-proc", "--kill-child", "--propagation", "slave"];
  const first = ["sh", "-c", FIRST_PROCESS, "sh", folder, name, keep ? "sleep infinity" : "cat"];
  const groups = makeCgroups(`${cgroup}/${PROGRAMS}`);
  const joined = groups.map((path) => `echo $$ >${path}/${cgroup}/cgroup.procs`).join("; ");
  const unshare = ["nsenter", `--net=${namedNetnsPath(netns)}`, "unshare", ...namespaces];
  const command = [...unshare, ...first, groups.join(" "), cgroup];
  const holder = Bun.spawn(["sh", "-c", `${joined}; exec "$@"`, "sh", ...command], {
    env: { PATH },
    stdin: keep ? "ignore" : "pipe",
    stdout: "pipe",
    stderr: Bun.file(join(folder, "boot.log")),
    detached: keep,
  });
  const reader = holder.stdout.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  if (new TextDecoder().decode(value) !== "ready\n") {
    throw new Error(`Cannot boot machine "${name}": ${readFileSync(join(folder, "boot.log"), "utf8")}`);
  }
  if (keep) holder.unref();
  const pid = Number(readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8").trim());
  // A group of version 2 has processes or groups that share out what it has, not both.
  for (const path of groups) {
    for (const one of [holder.pid, pid]) writeFileSync(join(path, cgroup, PROGRAMS, "cgroup.procs"), String(one));
  }
  return {
    ...machineOf(name, pid, folder),
    async powerOff() {
      process.kill(pid, "SIGKILL");
      await holder.exited;
      await until("its control groups are empty", () => {
        removeCgroups(cgroup);
        return true;
      });
    },
  };
}

function machineOf(name: string, pid: number, folder: string): Omit<Machine, "powerOff"> {
  const root = `/proc/${pid}/root`;
  const inside = ["nsenter", `--target=${pid}`, "--net", "--mount", "--uts", "--pid", "--cgroup"];
  const run: Machine["run"] = (command, options) => finish([...inside, ...command], options);
  const output: Machine["output"] = (command, options) => outputOf(name, command, run(command, options));
  return {
    name,
    pid,
    root,
    run,
    output,
    write(path, content) {
      mkdirSync(dirname(`${root}${path}`), { recursive: true });
      writeFileSync(`${root}${path}`, typeof content === "string" ? content : JSON.stringify(content));
    },
    async start(program, command, env = {}) {
      const join = `for file in $(find /sys/fs/cgroup -path "*/${PROGRAMS}/cgroup.procs"); do echo $$ >$file; done`;
      const script = `${join}; nohup "$@" </dev/null >>/var/log/$0.log 2>&1 & echo $! >/run/$0.pid`;
      await output(["sh", "-c", script, program, ...command], { env });
    },
    async kill(program, signal = "KILL") {
      const gone = /KILL|TERM/.test(signal) ? "while [ -e /proc/$pid ]; do sleep 0.02; done" : "";
      await output(["sh", "-c", `pid=$(cat /run/${program}.pid); kill -${signal} $pid; ${gone}`]);
    },
    isRunning: (program) => existsSync(`${root}/proc/${readFileSync(`${root}/run/${program}.pid`, "utf8").trim()}`),
    log: (program) => readFileSync(join(folder, "var/log", `${program}.log`), "utf8"),
  };
}
